"""Reads and checks bert_config.json before a model is built from it. Standard library only, on Python 3.7 as well.

`python -m infer.text.bert_config bert_config.json vocab.txt` exits with one line if a file is invalid, or they belong
to different models.
"""

import functools
import json
import math
import operator
import sys

from infer.text.vocab import check_size, read_vocab

SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
# With bert.modeling.BertConfig's defaults.
RATES = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02}
# Those of bert.modeling.get_activation, whose gelu is the tanh approximation, and the gelu that is Hugging Face's.
ACTIVATIONS = ("gelu", "gelu_erf", "linear", "relu", "tanh")
MAX_BYTES = 1 << 20
MAX_WEIGHTS = 500_000_000  # a TensorFlow graph holds at most 2 GiB; BERT-Large has 335 million weights
MAX_LAYERS = 128


def read_bert_config(path):
    """Reads a bert_config.json. Returns and raises what parse_bert_config does; SystemExit also if it can't be read."""
    try:
        with open(path, "rb") as file:
            return parse_bert_config(file.read(MAX_BYTES + 1), path)
    except OSError as error:
        sys.exit(f"{path}: cannot read the configuration: {error.strerror}")


def read_config_and_vocab(config_file, vocab_file):
    """Returns what read_bert_config does; exits with one line if the vocabulary is invalid, or larger than the model's.

    As upstream, one that is smaller will do: some models have more embeddings than tokens. That is said.
    """
    config, vocab = read_bert_config(config_file), read_vocab(vocab_file)
    try:
        check_size(vocab, config["vocab_size"])
    except ValueError as error:
        sys.exit(f"{vocab_file}: {error}: see {config_file}")
    if len(vocab) < config["vocab_size"]:
        sizes = "{} tokens for the {} embeddings of {}".format(len(vocab), config["vocab_size"], config_file)
        print(f"{vocab_file}: {sizes}: the rest is not used", file=sys.stderr)
    return config


def parse_bert_config(data, path):
    """Returns the arguments of bert.modeling.BertConfig, a dict, from the bytes of a JSON file; others are left out.

    Args:
      data: bytes.
      path: str, for the message.
    Raises: SystemExit, with one line, if it is not JSON, lacks a size, or describes no model that fits into memory.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        return validate(json.loads(data.decode("utf-8")))
    except (ValueError, RecursionError) as error:
        sys.exit(f"{path}: not a bert_config.json: {error}")


def validate(content):
    """Returns what parse_bert_config does, from the parsed JSON; raises ValueError that says what is wrong with it."""
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    if set(SIZES) - set(content):
        raise ValueError("no " + min(set(SIZES) - set(content)))
    config = {name: content[name] for name in SIZES}
    for name, value in config.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} is {shorten(value)}, not a positive whole number")
    for name, default in RATES.items():
        config[name] = value = content.get(name, default)
        if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value < 1:
            raise ValueError(f"{name} is {shorten(value)}, not a number of at least 0 and less than 1")
    config["hidden_act"] = activation = content.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise ValueError("hidden_act is {}, not one of {}".format(shorten(activation), ", ".join(ACTIVATIONS)))
    if config["hidden_size"] % config["num_attention_heads"]:
        raise ValueError("hidden_size is not a multiple of num_attention_heads")
    if config["num_hidden_layers"] > MAX_LAYERS or count_weights(config) > MAX_WEIGHTS:
        raise ValueError(f"more than {MAX_LAYERS} layers or {MAX_WEIGHTS} weights")
    return config


def shorten(value):
    """Returns a JSON value, which may be of any length, as text of at most 41 characters."""
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "…"


def variable_shapes(config):
    """Returns {variable name: shape} of google-research/bert's encoder, pooler included.

    Args:
      config: what parse_bert_config returned.
    Source: bert.modeling.BertModel.
    """
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "bert/embeddings/word_embeddings": (config["vocab_size"], hidden),
        "bert/embeddings/token_type_embeddings": (config["type_vocab_size"], hidden),
        "bert/embeddings/position_embeddings": (config["max_position_embeddings"], hidden),
    }
    kernels = {"bert/pooler/dense": (hidden, hidden)}
    norms = ["bert/embeddings/LayerNorm"]
    for scope in (f"bert/encoder/layer_{i}/" for i in range(config["num_hidden_layers"])):
        kernels.update({scope + "attention/self/" + name: (hidden, hidden) for name in ("query", "key", "value")})
        kernels[scope + "attention/output/dense"] = (hidden, hidden)
        kernels[scope + "intermediate/dense"] = (hidden, inner)
        kernels[scope + "output/dense"] = (inner, hidden)
        norms += [scope + "attention/output/LayerNorm", scope + "output/LayerNorm"]
    for name, shape in kernels.items():
        shapes[name + "/kernel"], shapes[name + "/bias"] = shape, shape[1:]
    for name in norms:
        shapes[name + "/gamma"] = shapes[name + "/beta"] = (hidden,)
    return shapes


def count_weights(config):
    """Returns the number of weights of the encoder, pooler included, from a configuration, without building it."""
    return sum(functools.reduce(operator.mul, shape) for shape in variable_shapes(config).values())


if __name__ == "__main__":
    read_config_and_vocab(*sys.argv[1:])
