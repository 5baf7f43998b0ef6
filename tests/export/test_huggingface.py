"""The folder's files, as far as they can be told without transformers, which the pipeline's tests ask."""

import json

import numpy as np
import openvino as ov
import pytest
from forms import compute, make_trained, random_features
from safetensors.numpy import load_file
from small import HIDDEN, VOCAB
from tokenizers import Tokenizer

from export.huggingface import write_folder
from infer.text.tokenizer import load_tokenizer
from infer.text.vocab import read_casing, read_vocab

LABELS = ["schlecht", "geht so", "gut"]
CASED = [*VOCAB, "Good", "ö"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("huggingface")
    write_folder(make_trained(LABELS, False, [token for token in CASED if token != "[MASK]"]), folder)
    return folder


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_labels_and_sizes_travel(folder):
    config = read(folder / "config.json")
    assert config["id2label"] == {"0": "schlecht", "1": "geht so", "2": "gut"}
    assert config["label2id"] == {"schlecht": 0, "geht so": 1, "gut": 2}
    assert (config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"]) == (HIDDEN, 2, 4)
    assert (config["hidden_act"], config["layer_norm_eps"]) == ("gelu_new", 1e-12)


def test_weights_have_hugging_faces_names_and_layout(folder):
    trained, tensors = make_trained(LABELS), load_file(folder / "model.safetensors")
    assert len(tensors) == len(trained.weights) + 2
    kernel = trained.weights["encoder/layer_1/intermediate/dense/kernel"]
    np.testing.assert_array_equal(tensors["bert.encoder.layer.1.intermediate.dense.weight"], kernel.T)
    gamma = trained.weights["encoder/layer_0/attention/output/LayerNorm/gamma"]
    np.testing.assert_array_equal(tensors["bert.encoder.layer.0.attention.output.LayerNorm.weight"], gamma)
    words = trained.weights["embeddings/word_embeddings"]
    np.testing.assert_array_equal(tensors["bert.embeddings.word_embeddings.weight"], words)
    np.testing.assert_array_equal(tensors["classifier.weight"], trained.head[0])


def test_casing_and_vocabulary_travel(folder):
    """As this repository reads them, and as tokenizers does; special tokens that the vocabulary lacks are not added."""
    vocab = read_vocab(folder / "vocab.txt")
    assert not read_casing(folder / "vocab.txt") and list(vocab) == [token for token in CASED if token != "[MASK]"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == len(vocab)
    texts = ["Good films!", "good ö", "GOOD [SEP] it"]
    tokenizer.encode_special_tokens = True
    got = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    ours = load_tokenizer(vocab, do_lower_case=False)(texts)
    assert got == [[vocab["[CLS]"], *ids, vocab["[SEP]"]] for ids in ours]
    assert got[0][1:3] == [vocab["Good"], vocab["film"]] and got[2][1] == vocab["[UNK]"]
    config = read(folder / "tokenizer_config.json")
    assert config["model_max_length"] == 24 and config["mask_token"] is None
    assert "mask_token" not in read(folder / "special_tokens_map.json")


def test_words_of_up_to_200_letters_are_read_as_in_training(tmp_path):
    trained = make_trained(vocab=[*VOCAB, "b", "##b"])
    write_folder(trained, tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = ["b" * 101, "b" * 200, "b" * 201]
    ours = load_tokenizer(read_vocab(tmp_path / "vocab.txt"))(texts)
    assert [len(ids) for ids in ours] == [101, 200, 1]
    assert [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)] == ours


def test_the_ir_is_named_as_optimums(folder):
    network = ov.Core().read_model(folder / "openvino_model.xml")
    names = [port.any_name for port in (*network.inputs, *network.outputs)]
    assert names == ["input_ids", "attention_mask", "token_type_ids", "logits"]
    features = random_features()
    powers = np.exp(compute(network, features))
    wanted = compute(make_trained(LABELS).classifier, features)
    np.testing.assert_allclose(powers / powers.sum(1, keepdims=True), wanted, atol=1e-6, rtol=0)
