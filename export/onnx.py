"""Writes the classifier as one ONNX file: python -m export.onnx classifier.xml classifier.onnx --pb bert-finetune.pb

The graph is built here, from the weights, as infer/bert.py builds OpenVINO's: the exporters that are kept up go through
PyTorch, whose Linux wheel on PyPI brings gigabytes of CUDA, and tf2onnx would keep the frozen graph's one length. Here
batch and length are free, and the last layer is asked for [CLS] alone, as only that reaches the pooler.

Its inputs have the names and the type that Hugging Face's tokenizers give, so that their answer can be fed as it is:
input_ids, attention_mask and token_type_ids, int64 (batch, length); google-research/bert calls the last two input_mask
and segment_ids. Its output is probabilities, float32 (batch, labels). Vocabulary, labels, casing and maximum length
are in its metadata, each as JSON, under infer.ir's KEYS. Runs in the openvino-current environment.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
from onnx import TensorProto, helper, numpy_helper

from export.trained import read_trained, sizes
from infer.bert import LAYER_NORM_EPSILON, MASKED
from infer.convert import TOLERANCE, largest_difference
from infer.ir import KEYS
from infer.text.script import run

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "probabilities"
OPSET, IR_VERSION = 17, 8  # the first that has LayerNormalization; of 2022, so that older readers take it too


class Graph:
    """Collects nodes and weights; what a method returns is the name of its result."""

    def __init__(self, weights):
        self.weights = weights
        self.nodes, self.constants = [], {}

    def constant(self, name, value, dtype=np.int64):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value, dtype), name)
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name], np.float32)

    def op(self, kind, *inputs, name=None, **attributes):
        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def dense(self, x, scope):
        """x (batch, length, in) times kernel (in, out) plus bias (out,)."""
        return self.op("Add", self.op("MatMul", x, self.weight(f"{scope}/kernel")), self.weight(f"{scope}/bias"))

    def scalar(self, value):
        return self.constant(f"{value:.9g}", value, np.float32)

    def activate(self, x, hidden_act):
        if hidden_act == "linear":
            return x
        if hidden_act in ("relu", "tanh"):
            return self.op(hidden_act.title(), x)
        return {"gelu": self.gelu, "gelu_erf": self.gelu_erf}[hidden_act](x)

    def gelu_erf(self, x):
        """Hugging Face's gelu, the exact one."""
        inner = self.op("Erf", self.op("Div", x, self.scalar(2**0.5)))
        return self.op("Mul", self.op("Mul", x, self.op("Add", inner, self.scalar(1))), self.scalar(0.5))

    def gelu(self, x):
        """google-research/bert's, the tanh approximation, as its modeling.py spells it out.

        ONNX has it as one operation since opset 20, which ONNX Runtime's optimizer for transformers takes for the exact
        one; this it knows.
        """
        cubed = self.op("Mul", self.op("Pow", x, self.scalar(3)), self.scalar(0.044715))
        inner = self.op("Tanh", self.op("Mul", self.op("Add", x, cubed), self.scalar((2 / np.pi) ** 0.5)))
        return self.op("Mul", x, self.op("Mul", self.op("Add", inner, self.scalar(1)), self.scalar(0.5)))

    def layer_norm(self, x, scope):
        scale, bias = self.weight(f"{scope}/gamma"), self.weight(f"{scope}/beta")
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)

    def start(self, x, stop, axis):
        """The first `stop` (the name of a (1,)) of x along an axis."""
        zero, one = self.constant("zero", [0]), self.constant("one", [1])
        return self.op("Slice", x, zero, stop, {0: zero, 1: one}[axis])

    def embed(self, input_ids, token_type_ids):
        """(batch, length, hidden): word, segment and position embeddings, added and normalised."""
        words, segments, positions = (
            self.weight(f"embeddings/{name}_embeddings") for name in ("word", "token_type", "position")
        )
        length = self.op("Shape", input_ids, start=1, end=2)
        x = self.op("Add", self.op("Gather", words, input_ids), self.op("Gather", segments, token_type_ids))
        return self.layer_norm(self.op("Add", x, self.start(positions, length, 0)), "embeddings/LayerNorm")

    def attend(self, x, asking, bias, num_heads, scope):
        """Attention from `asking` to x: (batch, 1 or length, hidden)."""
        hidden = len(self.weights[f"{scope}/query/kernel"])
        heads = self.constant("heads", [0, 0, num_heads, hidden // num_heads])
        root = self.scalar((hidden // num_heads) ** 0.5)
        query, key, value = (
            self.op("Transpose", self.op("Reshape", self.dense(tokens, f"{scope}/{name}"), heads), perm=order)
            for name, tokens, order in (
                ("query", asking, (0, 2, 1, 3)),
                ("key", x, (0, 2, 3, 1)),
                ("value", x, (0, 2, 1, 3)),
            )
        )
        scores = self.op("Add", self.op("Div", self.op("MatMul", query, key), root), bias)
        context = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        return self.op(
            "Reshape", self.op("Transpose", context, perm=(0, 2, 1, 3)), self.constant("joined", [0, 0, hidden])
        )

    def encode(self, x, bias, num_heads, hidden_act, scope, is_last):
        """One transformer layer: (batch, length, hidden) to the same, or to (batch, 1, hidden) if it is the last."""
        asking = self.start(x, self.constant("one", [1]), 1) if is_last else x
        attended = self.dense(
            self.attend(x, asking, bias, num_heads, f"{scope}/attention/self"), f"{scope}/attention/output/dense"
        )
        attended = self.layer_norm(self.op("Add", attended, asking), f"{scope}/attention/output/LayerNorm")
        inner = self.activate(self.dense(attended, f"{scope}/intermediate/dense"), hidden_act)
        return self.layer_norm(
            self.op("Add", self.dense(inner, f"{scope}/output/dense"), attended), f"{scope}/output/LayerNorm"
        )


def build_onnx(trained):
    """Returns the onnx.ModelProto of a Trained.

    Source: Devlin et al., "BERT", 2018; google-research/bert's modeling.py, run_classifier.py's create_model.
    """
    head = {"head/kernel": trained.head[0].T, "head/bias": trained.head[1]}
    graph, found = Graph(trained.weights | head), sizes(trained)
    input_ids, attention_mask, token_type_ids = INPUTS
    x = graph.embed(input_ids, token_type_ids)
    mask = graph.op("Unsqueeze", attention_mask, graph.constant("one", [1]))
    mask = graph.op("Cast", graph.op("Unsqueeze", mask, graph.constant("two", [2])), to=TensorProto.FLOAT)
    bias = graph.op("Mul", graph.op("Sub", graph.scalar(1), mask), graph.scalar(MASKED))
    layers = found["num_hidden_layers"]
    for i in range(layers):
        scope = f"encoder/layer_{i}"
        x = graph.encode(x, bias, trained.num_heads, trained.hidden_act, scope, is_last=i == layers - 1)
    pooled = graph.op("Tanh", graph.dense(graph.op("Squeeze", x, graph.constant("one", [1])), "pooler/dense"))
    graph.op("Softmax", graph.dense(pooled, "head"), axis=-1, name=OUTPUT)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "bert-classifier",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in INPUTS],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", len(trained.labels)])],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="bert-classifier",
    )
    info = (trained.vocab, trained.labels, trained.do_lower_case, trained.max_seq_length)
    helper.set_model_props(model, {key: json.dumps(value) for key, value in zip(KEYS, info, strict=True)})
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(
        prog="python -m export.onnx", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="classifier.xml, weight.npy and bias.npy beside it")
    parser.add_argument("output", type=Path, help="the file to write, .onnx")
    parser.add_argument("--pb", required=True, help="the frozen encoder, bert-finetune.pb")
    args = parser.parse_args()
    try:
        trained = read_trained(args.model, args.pb)
        model = build_onnx(trained)
        args.output.write_bytes(model.SerializeToString(deterministic=True))
        difference = largest_difference(
            ov.Core().read_model(args.output), trained.encoder, trained.head, len(trained.vocab)
        )
    except (KeyError, ValueError, RuntimeError) as error:
        sys.exit(f"{args.model}, {args.pb}: cannot be written as ONNX: {error}")
    if not difference <= TOLERANCE:
        args.output.unlink()
        sys.exit(f"{args.pb}: not the model of {args.model}: probabilities differ by {difference:.2g}")
    print(f"{args.pb}: probabilities in ONNX differ by {difference:.2g} at most from the graph's own")


if __name__ == "__main__":
    run(main)
