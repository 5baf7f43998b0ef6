"""The classifier made of a real run, on today's OpenVINO and on openvino-dev's, against the guide's path."""

import ast
import html
import json
import os
import re
import shutil
import subprocess
from functools import partial

import numpy as np
import pytest
from checkout import FP32, ROOT, clean_environment, make, make_fails
from tensorboard.compat.proto.graph_pb2 import GraphDef

TINY = "PROFILE=tiny"
ENVIRONMENTS = ("openvino", "openvino-current")
REVIEWS = [
    "Absolutely fantastic!",
    "",
    "Ça, c'était un chef-d'œuvre ΟΔΟΣ",
    "这部电影 很好",
    "a film " * 100,
    "[SEP] [MASK]",
]


def infer(environment, *arguments):
    """Returns the float array (reviews, labels) that `python -m infer` prints in an environment."""
    python = ROOT / ".tox" / environment / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "infer", *map(str, arguments)], cwd=ROOT, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return np.array([ast.literal_eval(numbers) for numbers in re.findall(r"array\((\[.*?\])", done.stdout)])


@pytest.fixture(scope="module")
def expected(tiny):
    """Probabilities of REVIEWS by the guide's path."""
    make(tiny, "predict", TINY)
    return infer("openvino", "-m", tiny / "build/tiny/bert-finetune.xml", *REVIEWS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_classifier_equals_the_guides_path(environment, tiny, expected):
    make(tiny, "-j4", "classifier", TINY)
    for hint in ("throughput", "latency"):
        got = infer(environment, "-m", tiny / "build/tiny/classifier.xml", "--hint", hint, *REVIEWS)
        np.testing.assert_allclose(got, expected, atol=FP32, rtol=0)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_ir_that_mo_wrote_runs_on_both(environment, tiny, expected):
    got = infer(environment, "-m", tiny / "build/tiny/bert-finetune.xml", *REVIEWS)
    np.testing.assert_allclose(got, expected, atol=FP32, rtol=0)


def test_the_frontend_converts_what_mo_converts(tiny, expected):
    output = make(tiny, "predict", TINY, "CONVERTER=frontend")
    assert "infer.convert encoder" in output and "openvino.tools.mo" not in output
    assert "0 labels differ" in output
    for environment in ENVIRONMENTS:
        got = infer(environment, "-m", tiny / "build/tiny/bert-finetune.xml", *REVIEWS)
        np.testing.assert_allclose(got, expected, atol=FP32, rtol=0)
    assert "all as recorded" in make(tiny, "verify", TINY)
    assert "openvino.tools.mo" in make(tiny, "predict", TINY), "the other converter's IR is another IR"
    assert "CONVERTER='caffe': choose mo or frontend" in make_fails(tiny, "ir", TINY, "CONVERTER=caffe")


def test_int8_keeps_all_that_the_classifier_knows(tiny):
    output = make(tiny, "int8", TINY)
    assert "INT8: accuracy 0." in output
    assert output.splitlines()[-3:] == make(tiny, "int8", TINY).splitlines()
    heldout = "-f", tiny / "build/tiny/reviews/heldout.txt"
    plain, int8 = (
        infer("openvino-current", "-m", tiny / "build/tiny" / name, *heldout)[:, 1]
        for name in ("classifier.xml", "int8/classifier.xml")
    )
    assert np.ptp(plain) > 0.1 and not np.array_equal(int8, plain)
    assert np.corrcoef(int8, plain)[0, 1] > 0.9
    assert "all as recorded" in make(tiny, "verify", TINY)


def test_what_does_not_belong_together_makes_no_classifier(tiny, tmp_path):
    make(tiny, "classifier", TINY)
    build = tiny / "build/tiny"
    before = os.stat(build / "classifier.xml").st_mtime_ns
    (tmp_path / "vocab.txt").write_text((build / "pretrained/vocab.txt").read_text() + "one more\n")
    output = make_fails(tiny, "classifier", TINY, f"VOCAB_FILE={tmp_path}/vocab.txt", f"PB={build}/bert-finetune.pb",
                        f"CHECKPOINT={build}/result2/model.ckpt-32")  # fmt: skip
    assert f"{tmp_path}/vocab.txt: 30523 tokens, but 30522 embeddings: they belong to different models" in output
    assert os.stat(build / "classifier.xml").st_mtime_ns == before


def convert(checkout, pb, build, output):
    """Runs infer.convert of a checkout, or of a folder with a copy of infer/; returns the finished process."""
    command = [ROOT / ".tox/openvino-current/bin/python", "-m", "infer.convert", "classifier", pb, output]
    given = f"--vocab_file={build}/pretrained/vocab.txt"
    return subprocess.run([*command, given], cwd=checkout, env=clean_environment(), capture_output=True, text=True)


def test_a_head_of_three_labels_is_in_the_classifier_with_their_names(tiny, expected, tmp_path):
    """Beside the two labels of the real head there is a third, whose answers follow from theirs."""
    build = tiny / "build/tiny"
    for name in ("bert-finetune.xml", "bert-finetune.bin", "bert-finetune.pb"):
        shutil.copy(build / name, tmp_path)
    weight, bias = (np.load(build / name) for name in ("weight.npy", "bias.npy"))
    np.save(tmp_path / "weight.npy", np.concatenate([weight, weight.mean(0, keepdims=True)]))
    np.save(tmp_path / "bias.npy", np.concatenate([bias, bias.mean(keepdims=True)]))
    (tmp_path / "labels.txt").write_text('Sci-Fi & "Fantasy"\nso, so\n很好\n')
    done = convert(ROOT, tmp_path / "bert-finetune.pb", build, tmp_path / "classifier.xml")
    assert done.returncode == 0, done.stderr
    powers = np.column_stack([expected, np.sqrt(expected.prod(1))])
    wanted = powers / powers.sum(1, keepdims=True)
    vocab = f"--vocab_file={build}/pretrained/vocab.txt"
    for environment, model, *given in (
        ("openvino", "bert-finetune.xml", vocab),
        ("openvino-current", "classifier.xml"),
    ):
        got = infer(environment, "-m", tmp_path / model, *given, *REVIEWS)
        np.testing.assert_allclose(got, wanted, atol=FP32, rtol=0)
    info = (tmp_path / "classifier.xml").read_text()
    assert json.loads(html.unescape(re.search('<labels value="(.*?)"', info)[1])) == [
        'Sci-Fi & "Fantasy"',
        "so, so",
        "很好",
    ]
    (tmp_path / "labels.txt").write_text("one\nanother\n")
    done = convert(ROOT, tmp_path / "bert-finetune.pb", build, tmp_path / "another.xml")
    assert done.returncode == 1 and "labels.txt: 2 labels, but the model has 3: they belong" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "another.xml").exists()


@pytest.mark.parametrize(
    "there, instead",
    [
        ("MASKED = -10000.0", "MASKED = 0.0"),
        ("op.unsqueeze(bias, constant(1))", "op.unsqueeze(op.subtract(bias, bias), constant(1))"),
        (", x, False, True), bias)", ", x, False, True), op.subtract(bias, bias))"),
        ("op.gather(segments, segment_ids,", "op.gather(segments, op.subtract(segment_ids, segment_ids),"),
    ],
    ids=["all layers", "all but the last", "the last", "segments"],
)
def test_a_classifier_that_ignores_mask_or_segments_is_refused(there, instead, tiny, tmp_path):
    """It computes what the frozen graph does as long as nothing is padded, and all is of one segment."""
    build = tiny / "build/tiny"
    make(tiny, "predict", TINY)
    shutil.copytree(ROOT / "infer", tmp_path / "infer")
    honest = convert(tmp_path, build / "bert-finetune.pb", build, tmp_path / "classifier.xml")
    assert honest.returncode == 0 and "probabilities differ by" in honest.stdout, honest.stderr
    (tmp_path / "classifier.xml").unlink()
    graph = tmp_path / "infer/bert.py"
    assert graph.read_text().count(there) == 1
    graph.write_text(graph.read_text().replace(there, instead))
    done = convert(tmp_path, build / "bert-finetune.pb", build, tmp_path / "classifier.xml")
    assert done.returncode == 1 and not (tmp_path / "classifier.xml").exists()
    (line,) = done.stderr.splitlines()
    assert "not google-research/bert's computation: probabilities differ by" in line


@pytest.mark.more
def test_a_vocabulary_in_another_order_and_with_fewer_lines_gives_the_same(tiny, expected, tmp_path):
    """[PAD] in the place of a token that is in no review, and that on line 1; a cut that has none of theirs."""
    build = tiny / "build/tiny"
    make(tiny, "classifier", TINY)
    tokens = (build / "pretrained/vocab.txt").read_text().split("\n")[:-100]
    tokens[0], tokens[7] = tokens[7], tokens[0]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens))
    made = f"PB={build}/bert-finetune.pb", f"CHECKPOINT={build}/result2/model.ckpt-32"
    make(tiny, "classifier", TINY, f"VOCAB_FILE={tmp_path}/vocab.txt", *made)
    (other,) = set(tiny.glob("build/tiny-*/classifier.xml"))
    got = infer("openvino-current", "-m", other, *REVIEWS)
    np.testing.assert_array_equal(got, infer("openvino-current", "-m", build / "classifier.xml", *REVIEWS))

    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    made += (f"VOCAB_FILE={tmp_path}/vocab.txt",)
    assert "infer.convert classifier" in make(tiny, "classifier", TINY, *made)
    assert (infer("openvino-current", "-m", other, *REVIEWS) != got).any(), "cased"
    assert "0 labels differ" in make(tiny, "predict", TINY, *made), "TensorFlow is told the same casing"
    (tmp_path / "tokenizer_config.json").write_text('{"strip_accents": false}')
    assert "strip_accents is false, and google-research/bert's" in make_fails(tiny, "classifier", TINY, *made)
    shutil.rmtree(other.parent)


def spoil_head(build, folder):
    weight = np.load(build / "weight.npy")
    weight[0, 0] = np.nan
    np.save(folder / "weight.npy", weight)
    return "weight.npy: some of it is NaN or infinite: make it with `make fc`, of another checkpoint"


def spoil_encoder(build, folder):
    graph = GraphDef.FromString((build / "bert-finetune.pb").read_bytes())
    (bias,) = [node.attr["value"].tensor for node in graph.node if node.name == "bert/pooler/dense/bias"]
    bias.tensor_content = np.full(bias.tensor_shape.dim[0].size, np.nan, np.float32).tobytes()
    (folder / "bert-finetune.pb").write_bytes(graph.SerializeToString())
    return "bert-finetune.pb: some of pooler/dense/bias is NaN or infinite: freeze another checkpoint"


def change_gelu(build, folder):
    """The graph computes another function of the same weights: gelu's x / 2 is -5 x."""
    graph = GraphDef.FromString((build / "bert-finetune.pb").read_bytes())
    halves = [node.attr["value"].tensor for node in graph.node if node.name.endswith("/intermediate/dense/mul_2/x")]
    assert [half.float_val[:] for half in halves] == [[0.5]] * 2
    for half in halves:
        half.float_val[:] = [-5]
    (folder / "bert-finetune.pb").write_bytes(graph.SerializeToString())
    return "bert-finetune.pb: not google-research/bert's computation: probabilities differ by "


def replace_graph(build, folder):
    graph = GraphDef.FromString((build / "bert-finetune.pb").read_bytes())
    del graph.node[:-1], graph.node[0].input[:]
    graph.node[0].op = "NoOp"
    (folder / "bert-finetune.pb").write_bytes(graph.SerializeToString())
    return "bert-finetune.pb: no IteratorGetNext:0 or bert/pooler/dense/Tanh in it: not an encoder"


def rename(old, new, build, folder):
    """The graph computes the same; its weights, or what tells how many heads there are, have other names."""
    graph = (build / "bert-finetune.pb").read_bytes()
    assert old in graph and len(old) == len(new)
    (folder / "bert-finetune.pb").write_bytes(graph.replace(old, new))
    return "bert-finetune.pb: not the graph of google-research/bert: "


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_head,
        spoil_encoder,
        change_gelu,
        replace_graph,
        partial(rename, b"/self/query/kernel", b"/self/Query/kernel"),
        partial(rename, b"/self/transpose", b"/self/Transpose"),
    ],
)
def test_what_is_not_a_number_or_another_model_makes_no_classifier(spoil, tiny, tmp_path):
    build = tiny / "build/tiny"
    make(tiny, "predict", TINY)
    for name in ("weight.npy", "bias.npy", "bert-finetune.pb"):
        shutil.copy(build / name, tmp_path)
    message = spoil(build, tmp_path)
    done = convert(ROOT, tmp_path / "bert-finetune.pb", build, tmp_path / "classifier.xml")
    assert done.returncode == 1 and done.stderr.startswith(f"{tmp_path}/{message}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "classifier.xml").exists()


def test_a_graph_with_dropout_makes_no_classifier(tiny):
    """It answers otherwise each time, which is said where it is frozen."""
    make(tiny, "predict", TINY)
    trained = tiny / "build/tiny/result1/model.ckpt-64"
    output = make_fails(tiny, "classifier", TINY, f"CHECKPOINT={trained}", f"META_GRAPH={trained}.meta")
    line = r"bert-finetune.pb: it draws dropout's random numbers: freeze a checkpoint of the second phase$"
    assert re.search(line, output, re.M) and not [*tiny.glob("build/tiny-*/classifier.xml")]
