"""Writes the classifier as a Hugging Face folder: python -m export.huggingface classifier.xml FOLDER --pb … --name …

For transformers config.json, model.safetensors and the tokenizer; for optimum's OpenVINO classes the IR, its inputs and
output named as these have them; for people, and the Hub, README.md, see card.py. Runs in the openvino-current
environment.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import openvino as ov
from safetensors.numpy import save
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from export.card import write_card
from export.trained import read_trained, sizes
from infer.bert import LAYER_NORM_EPSILON
from infer.ir import save_model
from infer.text.script import run
from infer.text.tokenizer import MAX_INPUT_CHARS_PER_WORD

INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # Hugging Face's names
ACTIVATIONS = {"gelu": "gelu_new", "gelu_erf": "gelu"}  # google-research/bert's gelu is the tanh approximation
NAMES = {  # parts of google-research/bert's variable names: of Hugging Face's
    "layer_": "layer.",
    "/": ".",
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
    "kernel": "weight",
    "_embeddings": "_embeddings.weight",
}
SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def to_tensors(trained):
    """Returns BertForSequenceClassification's tensors, {name: float32 array}; linear weights are (out, in)."""
    tensors = {"classifier.weight": trained.head[0], "classifier.bias": trained.head[1]}
    for name, value in trained.weights.items():
        value = value.T if name.endswith("kernel") else value
        for part, theirs in NAMES.items():
            name = name.replace(part, theirs)
        tensors[f"bert.{name}"] = value
    return {name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()}


def to_config(trained):
    """Returns config.json's content. Source: transformers' BertConfig."""
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        **sizes(trained),
        "hidden_act": ACTIVATIONS.get(trained.hidden_act, trained.hidden_act),
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "pad_token_id": trained.vocab.index("[PAD]"),
        "position_embedding_type": "absolute",
        "problem_type": "single_label_classification",
        "id2label": dict(enumerate(trained.labels)),
        "label2id": {label: i for i, label in enumerate(trained.labels)},
        "torch_dtype": "float32",
    }


def to_tokenizer(trained):
    """Returns the tokenizers.Tokenizer with the rules of transformers' BertTokenizerFast, but upstream's word limit."""
    vocab = {token: i for i, token in enumerate(trained.vocab)}
    tokenizer = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=MAX_INPUT_CHARS_PER_WORD))
    tokenizer.add_special_tokens([token for token in SPECIAL.values() if token in vocab])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=trained.do_lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, vocab[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def to_tokenizer_config(trained):
    """Returns tokenizer_config.json's content; BERT's tokenizers of transformers, and infer.text, read it."""
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": trained.do_lower_case,
        "tokenize_chinese_chars": True,
        "strip_accents": None,
        "model_max_length": trained.max_seq_length,
        "split_special_tokens": True,  # a literal "[SEP]" in a text is words, as in training
        **special_tokens(trained),
    }


def special_tokens(trained):
    return {name: token if token in trained.vocab else None for name, token in SPECIAL.items()}


def name_for_optimum(classifier):
    """Turns infer.bert's ov.Model into one from INPUTS, int64, to logits, as optimum's exports are."""
    for parameter, name in zip(classifier.get_parameters(), INPUTS, strict=True):
        parameter.set_element_type(ov.Type.i64)
        parameter.set_friendly_name(name)
        parameter.output(0).set_names({name})
    logits = classifier.output(0).get_node().input_value(0).get_node().input_value(0)
    logits.set_names({"logits"})
    return ov.Model([logits], classifier.get_parameters(), "bert-classifier")


def write_json(path, content):
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_folder(trained, folder):
    """Writes all but README.md."""
    write_json(folder / "config.json", to_config(trained))
    write_json(folder / "tokenizer_config.json", to_tokenizer_config(trained))
    write_json(folder / "special_tokens_map.json", {k: v for k, v in special_tokens(trained).items() if v})
    (folder / "tokenizer.json").write_text(to_tokenizer(trained).to_str(pretty=True) + "\n", encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in trained.vocab), encoding="utf-8")
    tensors = save(to_tensors(trained), {"format": "pt"})  # as transformers asks for
    (folder / "model.safetensors").write_bytes(tensors)
    save_model(name_for_optimum(trained.classifier), folder / "openvino_model.xml")


def main():
    parser = argparse.ArgumentParser(
        prog="python -m export.huggingface", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="classifier.xml, weight.npy and bias.npy beside it")
    parser.add_argument("folder", type=Path, help="where to write; it must be there")
    parser.add_argument("--pb", required=True, help="the frozen encoder, bert-finetune.pb")
    parser.add_argument("--name", required=True, help="the model's, for the card")
    parser.add_argument("--records", nargs="*", default=[], help="of the stages that it was made by, for the card")
    parser.add_argument("--eval_dir", type=Path, help="the folder of eval_results.txt, for the card")
    parser.add_argument(
        "--reviews_dir",
        type=Path,
        help="the folder of train.jsonl and test.jsonl, for the card",
    )
    args = parser.parse_args()
    try:
        trained = read_trained(args.model, args.pb)
        write_folder(trained, args.folder)
        write_card(trained, args.folder, args.name, args.records, args.eval_dir, args.reviews_dir)
    except (KeyError, ValueError, RuntimeError) as error:
        sys.exit(f"{args.model}, {args.pb}: cannot be written as a Hugging Face folder: {error}")


if __name__ == "__main__":
    run(main)
