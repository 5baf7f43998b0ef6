"""Folders that transformers saves: read whole, or one clear line and nothing made. By transformers' own code they are
compared in tests/pipeline/test_checkpoints.py.
"""

import json
import os
import sys
from unittest import mock

import numpy as np
import pytest
from safetensors.numpy import save
from test_pretrained import CONFIG, TOKENS, tensors

from infer.text.labels import read_labels
from tf1 import hugging_face
from tf1.checkpoint import read_checkpoint

HEAD = {"classifier.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "classifier.bias": np.ones(3, np.float32)}
LABELS = {"0": "bad", "1": "so so", "2": "good"}
FOLDER = {
    "config.json": dict(CONFIG, architectures=["BertForSequenceClassification"], id2label=LABELS),
    "model.safetensors": save(tensors(**HEAD)),
    "vocab.txt": "\n".join(TOKENS).encode(),
    "tokenizer_config.json": {"do_lower_case": False, "model_max_length": 12},
}
SHARDED = {
    "model.safetensors": None,
    "model-00001-of-00002.safetensors": save(tensors()),
    "model-00002-of-00002.safetensors": save(HEAD),
    "model.safetensors.index.json": {
        "weight_map": {name: f"model-0000{1 + (name in HEAD)}-of-00002.safetensors" for name in (*tensors(), *HEAD)}
    },
}
WORDPIECE = {"model": {"type": "WordPiece", "vocab": {token: i for i, token in enumerate(TOKENS)}}}


def convert(tmp_path, changes):
    """Converts FOLDER with changes in this process; returns the line it ends with, or None."""
    folder, output = tmp_path / "folder", tmp_path / "output"
    folder.mkdir()
    for name, content in dict(FOLDER, **changes).items():
        if content is not None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            (folder / name).write_bytes(data)
    try:
        with mock.patch.object(sys, "argv", ["tf1.hugging_face", str(folder), str(output)]):
            hugging_face.main()
    except SystemExit as end:
        assert os.listdir(str(tmp_path)) == ["folder"] and "\n" not in str(end.code)
        return str(end.code)
    return None


def config(**changes):
    return {"config.json": dict(FOLDER["config.json"], **changes)}


@pytest.mark.parametrize("changes", [{}, SHARDED, {"vocab.txt": None, "tokenizer.json": WORDPIECE}])
def test_a_folder_becomes_what_google_researchs_scripts_read(changes, tmp_path):
    assert convert(tmp_path, changes) is None
    output = tmp_path / "output"
    variables = read_checkpoint(str(output / "model.ckpt"))
    np.testing.assert_array_equal(variables["output_weights"], HEAD["classifier.weight"])
    np.testing.assert_array_equal(variables["output_bias"], HEAD["classifier.bias"])
    assert len(variables) == len(tensors()) + 3
    assert read_labels(output, 3) == ["bad", "so so", "good"]
    assert (output / "vocab.txt").read_text().split() == TOKENS
    assert json.loads((output / "bert_config.json").read_text())["hidden_act"] == "gelu_erf"
    assert json.loads((output / "tokenizer_config.json").read_text()) == {
        "do_lower_case": False,
        "model_max_length": 12,
    }


def test_what_a_folder_does_not_say_is_as_transformers_has_it(tmp_path):
    """But the casing, which the vocabulary tells."""
    given = {"vocab.txt": "\n".join([*TOKENS[:5], "Bad"]).encode(), "tokenizer_config.json": None}
    two = {"classifier.weight": HEAD["classifier.weight"][:2], "classifier.bias": np.ones(2, np.float32)}
    given.update(config(id2label=None, architectures=None), **{"model.safetensors": save(tensors(**two))})
    assert convert(tmp_path, given) is None
    told = json.loads((tmp_path / "output" / "tokenizer_config.json").read_text())
    assert told == {"do_lower_case": False, "model_max_length": CONFIG["max_position_embeddings"]}
    assert read_labels(tmp_path / "output", 2) == ["LABEL_0", "LABEL_1"]


def test_a_bert_without_a_head_has_no_labels(tmp_path):
    changes = dict(config(architectures=["BertModel"]), **{"model.safetensors": save(tensors())})
    assert convert(tmp_path, changes) is None
    assert not (tmp_path / "output" / "labels.txt").exists()


BROKEN = {
    "no configuration": ({"config.json": None}, "folder: no config.json in it: not a folder that transformers saved"),
    "no JSON": ({"config.json": b"{"}, "config.json: not the configuration of a BERT that can be read here"),
    "a size missing": ({"config.json": {"hidden_size": 4}}, "not the configuration of a BERT"),
    "relative positions": (config(position_embedding_type="relative_key_query"), 'is "relative_key_query", and google'),
    "another epsilon": (config(layer_norm_eps=1e-5), "layer_norm_eps is 1e-05, and google-research/bert's encoder"),
    "another activation": (config(hidden_act="silu"), 'hidden_act is "silu", not one of'),
    "a decoder": (config(is_decoder=True), "is_decoder is true"),
    "another type": (config(model_type="distilbert"), 'model_type is "distilbert"'),
    "another architecture": (
        config(architectures=["BertForTokenClassification"]),
        'config.json: of ["BertForTokenClassification"], not of BertForSequenceClassification or BertModel',
    ),
    "architectures of no kind": (config(architectures="BertModel"), 'config.json: of "BertModel", not of'),
    "several labels a text": (
        config(problem_type="multi_label_classification"),
        'its problem_type is "multi_label_classification", and can only be single_label_classification',
    ),
    "one label": (config(id2label={"0": "bad"}), "names no labels of the ids 0, 1 and so on: 1 label"),
    "a label left out": (config(id2label={"0": "bad", "2": "good"}), "names no labels of the ids 0, 1"),
    "labels alike": (config(id2label=dict.fromkeys("012", "bad")), "the label 'bad' is there twice"),
    "labels that are no names": (config(id2label={"0": "bad", "1": "a\nb", "2": "c"}), "is no label"),
    "labels that are numbers": (config(id2label={"0": 1, "1": 2, "2": 3}), "names no labels"),
    "labels of another number": (
        config(id2label={"0": "bad", "1": "good"}),
        "output_weights is float32 of shape (3, 4), not",
    ),
    "no weights": ({"model.safetensors": None}, "neither model.safetensors nor model.safetensors.index.json in it"),
    "broken weights": ({"model.safetensors": b"[" * 100}, "model.safetensors: not a complete safetensors file"),
    "no head": (
        {"model.safetensors": save(tensors())},
        "folder: no output_weights, which bert_config.json's model has",
    ),
    "another shape": (
        {"model.safetensors": save(tensors(**dict(HEAD, **{"pooler.dense.bias": np.ones(5, "f4")})))},
        "folder: bert/pooler/dense/bias is float32 of shape (5,), not finite float32 of shape (4,)",
    ),
    "weights of something else": (
        {"model.safetensors": save(tensors(**dict(HEAD, **{"qa_outputs.weight": np.ones((2, 4), "f4")})))},
        "folder: bert/qa_outputs/kernel is not in bert_config.json's model",
    ),
    "a tensor twice": (
        {"model.safetensors": save(tensors(**dict(HEAD, **{"bert.pooler.dense.bias": np.ones(4, "f4")})))},
        "two tensors for bert/pooler/dense/bias",
    ),
    "a shard missing": (
        dict(SHARDED, **{"model-00002-of-00002.safetensors": None}),
        "model-00002-of-00002.safetensors: no such file, which model.safetensors.index.json names",
    ),
    "an index of nothing": (dict(SHARDED, **{"model.safetensors.index.json": {}}), "no weight_map in it"),
    "an index out of the folder": (
        dict(SHARDED, **{"model.safetensors.index.json": {"weight_map": {"a": "../../etc/passwd"}}}),
        "folder/passwd: no such file",
    ),
    "no vocabulary": ({"vocab.txt": None}, "neither vocab.txt nor tokenizer.json in it: save its tokenizer there too"),
    "a larger vocabulary": ({"vocab.txt": "\n".join([*TOKENS, "film"]).encode()}, "7 tokens, but 6 embeddings"),
    "another tokenizer": (
        {"vocab.txt": None, "tokenizer.json": {"model": {"type": "BPE"}}},
        "no vocabulary of WordPiece",
    ),
    "ids with a hole": (
        {"vocab.txt": None, "tokenizer.json": {"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 2}}}},
        "tokenizer.json: no vocabulary of WordPiece in it, with the ids 0, 1 and so on",
    ),
    "added tokens": (
        {"tokenizer_config.json": {"added_tokens_decoder": {"9": {"content": "<user>"}}}},
        'folder: its tokenizer has an added token, "<user>": google-research/bert\'s knows none',
    ),
    "added tokens of older versions": ({"added_tokens.json": {"<user>": 9}}, 'an added token, "<user>"'),
    "added tokens in a list": (
        {"tokenizer_config.json": {"added_tokens_decoder": ["<user>"]}},
        "tokenizer_config.json: added_tokens_decoder is no JSON object",
    ),
    "ids that are text": (
        {"vocab.txt": None, "tokenizer.json": {"model": {"type": "WordPiece", "vocab": {"a": "0", "b": "1"}}}},
        "no vocabulary of WordPiece",
    ),
    "ids of two kinds": (
        {"vocab.txt": None, "tokenizer.json": {"model": {"type": "WordPiece", "vocab": {"a": 0, "b": "1"}}}},
        "no vocabulary of WordPiece",
    ),
    "a token that is no text": (
        {"vocab.txt": None, "tokenizer.json": {"model": {"type": "WordPiece", "vocab": {"a": 0, "\ud800": 1}}}},
        "no vocabulary of WordPiece",
    ),
    "another way to tokenize": ({"tokenizer_config.json": {"strip_accents": False}}, "strip_accents is false"),
    "a broken tokenizer": ({"tokenizer_config.json": b"["}, "tokenizer_config.json: cannot read it"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_folder_that_cannot_be_read_is_one_clear_line(broken, tmp_path):
    changes, message = BROKEN[broken]
    line = convert(tmp_path, changes)
    assert line and message in line, line
