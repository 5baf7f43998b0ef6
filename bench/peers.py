"""Converts the run's weights: python -m bench.peers bert-finetune.pb OUTPUT_DIR --head_dir … --vocab_file …

Runs in the bench environment. Writes config.json, model.safetensors and the tokenizer for Hugging Face transformers,
plain.onnx and fused.onnx, each also in dynamic INT8, for ONNX Runtime, and the IR openvino/ for Optimum.
"""

import argparse
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from onnx import TensorProto  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from onnxruntime.transformers.optimizer import optimize_model  # noqa: E402
from optimum.intel import OVModelForSequenceClassification  # noqa: E402
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast  # noqa: E402

from infer.bert import LAYER_NORM_EPSILON  # noqa: E402
from infer.convert import convert_encoder, read_weights  # noqa: E402
from infer.head import load_head  # noqa: E402
from infer.ports import INPUTS  # noqa: E402
from infer.text.script import run  # noqa: E402
from infer.text.vocab import read_casing, read_vocab  # noqa: E402

ONNX_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
HUGGING_FACE_NAMES = {  # parts of google-research/bert's variable names: of Hugging Face's
    "layer_": "layer.",
    "/": ".",
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
    "kernel": "weight",
    "_embeddings": "_embeddings.weight",
}


def to_state_dict(weights, head):
    """Returns BertForSequenceClassification's state dict, from {name below bert/: array} and load_head's arrays."""
    state = {"classifier.weight": torch.tensor(head[0]), "classifier.bias": torch.tensor(head[1])}
    for name, value in weights.items():
        kernel = name.endswith("kernel")
        for bert_part, part in HUGGING_FACE_NAMES.items():
            name = name.replace(bert_part, part)
        state[f"bert.{name}"] = torch.tensor(np.ascontiguousarray(value.T if kernel else value))
    return state


def build_model(weights, num_heads, hidden_act, head, labels):
    """Returns a BertForSequenceClassification of the weights; raises RuntimeError if some are missing or unknown."""
    vocab_size, hidden_size = weights["embeddings/word_embeddings"].shape
    config = BertConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=sum(name.endswith("/attention/self/query/kernel") for name in weights),
        num_attention_heads=num_heads,
        intermediate_size=len(weights["encoder/layer_0/intermediate/dense/bias"]),
        max_position_embeddings=len(weights["embeddings/position_embeddings"]),
        type_vocab_size=len(weights["embeddings/token_type_embeddings"]),
        hidden_act={"gelu": "gelu_new", "gelu_erf": "gelu"}.get(hidden_act, hidden_act),
        layer_norm_eps=LAYER_NORM_EPSILON,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    model = BertForSequenceClassification(config)
    model.load_state_dict(to_state_dict(weights, head))
    return model.eval()


class Probabilities(torch.nn.Module):
    """The model that is exported to ONNX: three int64 inputs (batch, length) to probabilities (batch, labels)."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        return torch.softmax(self.model(**dict(zip(ONNX_INPUTS, inputs, strict=True))).logits, -1)


def export_onnx(model, folder):
    """Writes plain.onnx, as torch exports it, fused.onnx, from ONNX Runtime's optimizer for BERT, and both in INT8."""
    features = torch.ones((2, 8), dtype=torch.int64)
    torch.onnx.export(
        Probabilities(model),
        (features, features, 0 * features),
        folder / "plain.onnx",
        input_names=list(ONNX_INPUTS),
        output_names=["probabilities"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in ONNX_INPUTS},
        opset_version=17,
        dynamo=False,
    )
    config = model.config
    fused = optimize_model(
        str(folder / "plain.onnx"), "bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size
    )
    fused.save_model_to_file(str(folder / "fused.onnx"))
    for name in ("plain", "fused"):
        # ONNX can't infer the types of the fused operations' outputs; all of them are FP32.
        quantize_dynamic(
            folder / f"{name}.onnx",
            folder / f"{name}-int8.onnx",
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )


def main():
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pb", type=Path, help="the frozen encoder, bert-finetune.pb")
    parser.add_argument("output_dir", type=Path, help="the folder to make")
    parser.add_argument("--head_dir", required=True, help="the folder of weight.npy and bias.npy")
    parser.add_argument("--vocab_file", required=True, help="the vocabulary, tokenizer_config.json beside it if cased")
    args = parser.parse_args()

    encoder = convert_encoder(args.pb)
    weights, num_heads, hidden_act = read_weights(encoder)
    read_vocab(args.vocab_file)
    folder = args.output_dir.with_name(args.output_dir.name + ".part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    *head, labels = load_head(args.head_dir, encoder.output(0).shape[1])
    try:
        model = build_model(weights, num_heads, hidden_act, head, labels)
    except (KeyError, RuntimeError) as error:
        sys.exit(f"{args.pb}: not the weights of google-research/bert: {' '.join(str(error).split())}")
    model.save_pretrained(folder)
    tokenizer = BertTokenizerFast(
        args.vocab_file,
        do_lower_case=read_casing(args.vocab_file),
        model_max_length=int(encoder.input(INPUTS[0]).shape[1]),
    )
    tokenizer.save_pretrained(folder)
    with torch.no_grad():
        export_onnx(model, folder)
    OVModelForSequenceClassification.from_pretrained(
        folder, export=True, compile=False, load_in_8bit=False
    ).save_pretrained(folder / "openvino")
    shutil.rmtree(args.output_dir, ignore_errors=True)
    folder.rename(args.output_dir)
    print(f"{args.output_dir}: {', '.join(sorted(path.name for path in args.output_dir.iterdir()))}")


if __name__ == "__main__":
    run(main)
