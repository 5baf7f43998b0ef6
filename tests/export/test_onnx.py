"""The ONNX graph against infer.bert's of the same weights, as OpenVINO reads it; pipeline/ asks ONNX Runtime."""

import json
import math

import numpy as np
import onnx
import openvino as ov
import pytest
from forms import compute, make_trained, random_features
from modules import fails
from onnx.reference import ReferenceEvaluator

from export.onnx import IR_VERSION, OPSET, Graph, build_onnx

LABELS = ["bad", "so-so", "good"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "classifier.onnx"
    path.write_bytes(build_onnx(make_trained(LABELS, do_lower_case=False)).SerializeToString())
    return path


@pytest.mark.parametrize("length", [2, 9, 24])
def test_its_probabilities_are_the_classifiers(model, length):
    features = random_features(length=length)
    wanted = compute(make_trained(LABELS).classifier, features)
    assert wanted.shape == (40, 3) and np.ptp(wanted, axis=0).max() > 0.3
    np.testing.assert_allclose(compute(ov.Core().read_model(model), features), wanted, atol=5e-6, rtol=0)


def test_its_ends_have_names_and_any_batch_and_length(model):
    graph = onnx.load(model).graph
    ends = {
        end.name: [dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim]
        for end in (*graph.input, *graph.output)
    }
    free = ["batch", "length"]
    assert ends == {
        "input_ids": free,
        "attention_mask": free,
        "token_type_ids": free,
        "probabilities": ["batch", 3],
    }
    assert {end.type.tensor_type.elem_type for end in graph.input} == {onnx.TensorProto.INT64}


def test_it_says_how_to_read_a_text(model):
    told = {prop.key: json.loads(prop.value) for prop in onnx.load(model).metadata_props}
    trained = make_trained()
    assert told == {"vocab": trained.vocab, "labels": LABELS, "do_lower_case": False, "max_seq_length": 24}


def test_it_is_the_same_every_time(model):
    again = build_onnx(make_trained(LABELS, do_lower_case=False)).SerializeToString(deterministic=True)
    assert again == onnx.load(model).SerializeToString(deterministic=True)


@pytest.mark.process
@pytest.mark.parametrize("module", ["export.onnx", "export.huggingface"])
def test_what_is_no_classifier_is_one_clear_line(module, tmp_path):
    (tmp_path / "classifier.xml").write_text("<net/>")
    (tmp_path / "classifier.bin").touch()
    more = ["--pb=bert-finetune.pb", *(["--name=bert"] if "hugging" in module else [])]
    for name, message in (("classifier", "not a classifier, or broken"), ("other", "other.xml: no such file")):
        line = fails("-m", module, tmp_path / f"{name}.xml", tmp_path, *more)
        assert message in line and "make it with `make classifier`" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier.bin", "classifier.xml"]


GELU = np.vectorize(lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))))


@pytest.mark.parametrize(
    "hidden_act, expected",
    [("gelu_erf", GELU), ("relu", lambda x: np.maximum(x, 0)), ("tanh", np.tanh), ("linear", np.array)],
)
def test_other_activations(hidden_act, expected):
    graph = Graph({})
    result = graph.activate("x", hidden_act)
    graph.op("Identity", result, name="y")
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy"]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, hidden_act, ends[:1], ends[1:], list(graph.constants.values())),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    x = np.linspace(-4, 4, 101, dtype=np.float32)
    (got,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(got, expected(x), atol=1e-6)
