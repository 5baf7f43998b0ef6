"""`make bench` as far as it needs no peers: what they install is too much for `make test`."""

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import openvino as ov
import pytest
from checkout import FP32, make, make_fails
from test_classifier import REVIEWS, TINY, infer

from bench import contenders
from infer.text.tokenizer import WINDOW


@pytest.mark.more
def test_the_guides_graph_is_the_same_model_padded_to_another_length(tiny):
    make(tiny, "build/tiny/bench/guide", TINY)
    short = [review for review in REVIEWS if len(review) < 100]
    paths = [tiny / "build/tiny" / name / "bert-finetune.xml" for name in ("", "bench/guide")]
    vocab = f"--vocab_file={tiny}/build/tiny/pretrained/vocab.txt"
    trained, guide = (infer("openvino", "-m", path, vocab, *short) for path in paths)
    np.testing.assert_allclose(guide, trained, atol=FP32, rtol=0)
    assert ">64</dim>" in paths[1].read_text() and ">64</dim>" not in paths[0].read_text().split("IteratorGetNext")[1]
    assert "all as recorded" in make(tiny, "verify", TINY)


def test_onnx_runtime_gets_the_batches_of_the_classifier(tiny, tmp_path, monkeypatch):
    """What each runtime is given, in windows and batches, is noted as it comes; ONNX Runtime itself is not here."""
    make(tiny, "classifier", TINY)
    shutil.copy(tiny / "build/tiny/pretrained/vocab.txt", tmp_path)
    config = {"do_lower_case": True, "model_max_length": 32}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    batches = {"openvino": [], "onnxruntime": []}

    class Queue(ov.AsyncInferQueue):
        def start_async(self, features, *rest, **more):
            batches["openvino"].append([feature.tolist() for feature in features])
            super().start_async(features, *rest, **more)

    class Session:
        def __init__(self, *arguments, **more):
            pass

        def run(self, outputs, features):
            batches["onnxruntime"].append([feature.tolist() for feature in features.values()])
            return [np.zeros((len(features["input_ids"]), 2), np.float32)]

    monkeypatch.setattr(ov, "AsyncInferQueue", Queue)
    onnxruntime = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)
    monkeypatch.setitem(sys.modules, "onnxruntime", onnxruntime)
    texts = ["a film " * (i % 20) + str(i) for i in range(WINDOW + 500)]
    for name, model in (("openvino", tiny / "build/tiny/classifier.xml"), ("onnxruntime", tmp_path)):
        given = {"model": model, "tokenizer": tmp_path, "threads": 2, "hint": "throughput", "setting": "classifier,1"}
        predict = contenders.LOADERS[name](SimpleNamespace(**given))
        batches[name].clear()  # a new classifier has answered its probes
        for max_seq_length in (None, 40):
            assert predict(texts, max_seq_length=max_seq_length).shape == (len(texts), 2)
    assert batches["onnxruntime"] == batches["openvino"] and len(batches["openvino"]) == 2 * (64 + 16)
    assert [len(batches["openvino"][first][0][0]) for first in (0, 80)] == [32, 40], "the longest of each come first"


@pytest.mark.parametrize(
    "given, message",
    [
        ("BENCH_REVIEWS=0", "BENCH_REVIEWS=0: must be a positive whole number"),
        ("BENCH_REPEATS=few", "BENCH_REPEATS=few: must be a positive whole number"),
        ("BENCH_LENGTH=16", "BENCH_LENGTH=16: must not be less than MAX_SEQ_LENGTH=32"),
        ("PB=README.md", "make bench: a .pb holds no classifier head: add CHECKPOINT="),
    ],
)
def test_what_cannot_be_right_is_refused(bare, given, message):
    assert message in make_fails(bare, "bench", TINY, given)
    assert not (bare / "build/tiny").exists()
