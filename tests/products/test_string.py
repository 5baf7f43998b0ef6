"""`make classifier TOKENIZER=1`: texts themselves, to a client that has nothing of this repository."""

import json
import re
import subprocess

import numpy as np
from checkout import FP32, ROOT, clean_environment, make, make_fails
from test_classifier import REVIEWS, TINY, infer

CLIENT = """
import json, sys
import openvino, openvino_tokenizers

compiled = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
print(json.dumps(compiled({"texts": json.load(sys.stdin)})["probabilities"].tolist()))
"""
WITH = "classifier", TINY, "TOKENIZER=1"
IDS = "build/tiny/classifier.xml: the graph's ids are FullTokenizer's on 1112064 code points and 20000 random texts"


def test_it_answers_texts_as_the_guides_path_does(tiny):
    output = make(tiny, *WITH)
    assert IDS in output and "infer.in_graph" in output
    assert not make(tiny, *WITH) and "all as recorded" in make(tiny, "verify", TINY)
    build = tiny / "build/tiny"
    texts = [*REVIEWS, *(build / "reviews/heldout.txt").read_text().splitlines()]
    words = [ROOT / ".tox/openvino-current/bin/python", "-I", "-c", CLIENT, build / "string/classifier.xml"]
    done = subprocess.run(
        words, cwd=build, env=clean_environment(), input=json.dumps(texts), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = infer("openvino", "-m", build / "bert-finetune.xml", *texts)
    assert np.ptp(expected[:, 1]) > 0.1
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=FP32, rtol=0)


def test_the_plain_one_needs_no_extension_and_is_as_it_was(tiny):
    make(tiny, "classifier", TINY)
    plain = (tiny / "build/tiny/classifier.xml").read_bytes()
    assert "as recorded" in make(tiny, "status", *WITH[1:]).split("string (classifier TOKENIZER=1): ")[1]
    assert "in_graph" not in make(tiny, "classifier", TINY, "TOKENIZER=0")
    assert (tiny / "build/tiny/classifier.xml").read_bytes() == plain and b"CharsMap" not in plain
    assert "string" not in make(tiny, "status", TINY)


def test_a_vocabulary_whose_ids_the_graph_cannot_give_is_refused_and_nothing_left(tiny, tmp_path):
    build = tiny / "build/tiny"
    tokens = (build / "pretrained/vocab.txt").read_text(encoding="utf-8").split("\n")
    tokens[7:9] = "##\u302e", "##\u1b44"
    (tmp_path / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    given = f"VOCAB_FILE={tmp_path}/vocab.txt", f"CHECKPOINT={build}/result2/model.ckpt-32"
    output = make_fails(tiny, *WITH, *given)
    line = "^(build/tiny-.*)/classifier.xml: U.1B44 and U.302E are in its vocab, whose order NFD may change"
    folder = tiny / re.search(line, output, re.MULTILINE)[1]
    assert (folder / "classifier.xml").exists()
    assert not [*folder.glob("string*/*"), *folder.glob("string.record.json")]


def test_it_is_on_or_off(bare):
    assert "TOKENIZER='2': choose 1 or 0" in make_fails(bare, "classifier", TINY, "TOKENIZER=2")
