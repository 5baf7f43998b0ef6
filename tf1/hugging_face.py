"""Reads what Hugging Face's transformers saves of a BERT, and writes it in google-research/bert's form.

`python -m tf1.hugging_face FOLDER OUTPUT_DIR` makes of a folder of BertForSequenceClassification or BertModel
model.ckpt, bert_config.json, vocab.txt, tokenizer_config.json and labels.txt. Runs in the tf1 environment.
"""

import argparse
import json
import os
import re
import shutil
import sys

import numpy as np
import safetensors
import tensorflow as tf

from infer.text.bert_config import MAX_BYTES, validate, variable_shapes
from infer.text.labels import check_labels, write_labels
from infer.text.script import run
from infer.text.vocab import SPECIAL_TOKENS, TOKENIZER_CONFIG, check_size, read_casing, read_max_length, read_vocab
from inputs.archive import BadArchive
from tf1.checkpoint import check_variables, save

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)

CONFIG, WEIGHTS, INDEX, VOCAB, TOKENIZER = (
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "vocab.txt",
    "tokenizer.json",
)
ADDED = "added_tokens.json"
CLASSIFIER = "BertForSequenceClassification"
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
HEAD = {"classifier/kernel": "output_weights", "classifier/bias": "output_bias"}
# Hugging Face's names of google-research/bert's activations; where they have no gelu_erf, theirs is called gelu.
ACTIVATIONS = {
    **dict.fromkeys(("gelu", "gelu_python"), "gelu_erf"),
    **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh"), "gelu"),
}
# What google-research/bert's encoder is, of what a configuration may ask for, by BertConfig's defaults.
ONLY = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "layer_norm_eps": 1e-12,  # of tf.contrib.layers.layer_norm
    "is_decoder": False,
    "add_cross_attention": False,
}


def bert_name(name):
    """Maps a Hugging Face tensor name, with or without `bert.`, to google-research/bert's variable name.

    Source: bert.modeling's variable scopes; Hugging Face's convert_bert_original_tf_checkpoint_to_pytorch, which
    maps the other way.
    """
    name = re.sub(r"\blayer\.(\d+)", r"layer_\1", re.sub(r"^bert\.", "", name)).replace(".", "/")
    if "LayerNorm" in name:
        name = name.replace("/weight", "/gamma").replace("/bias", "/beta")
    elif "embeddings/" in name:
        name = re.sub("/weight$", "", name)
    else:
        name = name.replace("/weight", "/kernel")
    return HEAD.get(name, "bert/" + name)


def to_variables(tensors):
    """Converts Hugging Face tensors to google-research/bert variables.

    Args:
      tensors: {name: array} of a BertModel or BertForSequenceClassification; linear weights have shape (out, in), as in
        PyTorch. The heads of pre-training and what is no weight, such as position_ids, are left out.
    Returns: {name: array}; linear weights are named `kernel` and have shape (in, out).
    Raises: BadArchive if two of them are one variable.
    """
    variables = {}
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not name.startswith("cls."):
            variable = bert_name(name)
            if variable in variables:
                raise BadArchive(f"two tensors for {variable}, one of them {name}")
            variables[variable] = tensor.T if variable.endswith("/kernel") else tensor
    return variables


def check_known(variables, shapes):
    """Raises BadArchive if one of {name: array} is not one of {name: shape}."""
    unknown = set(variables) - set(shapes)
    if unknown:
        raise BadArchive(f"{min(unknown)} is not in bert_config.json's model")


def read_tensors(data):
    """Returns {name: array} from the bytes of a safetensors file, float16 and bfloat16 as float32.

    What is no floating-point number is left out. Raises: BadArchive if the file is damaged.
    """
    try:
        tensors = {}
        for name, tensor in safetensors.deserialize(data):
            if tensor["dtype"] in TYPES:
                array = np.frombuffer(tensor["data"], TYPES[tensor["dtype"]]).reshape(tensor["shape"])
                if tensor["dtype"] == "BF16":  # the upper half of a float32
                    array = (array.astype("<u4") << 16).view("<f4")
                tensors[name] = array.astype(np.float32) if tensor["dtype"] == "F16" else array
            elif tensor["dtype"].startswith("F"):
                raise ValueError(f"{name} is of {tensor['dtype']}, of which nothing is known here")
        return tensors
    except Exception as error:  # SafetensorError, or NumPy's
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadArchive(f"not a complete safetensors file: {reason}") from error


def parse_config(data, path):
    """Returns what parse_bert_config does, from the bytes of a config.json: its hidden_act is one of ACTIVATIONS.

    Raises: SystemExit, with one line, if it is none, or of another model than google-research/bert's encoder.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        content = json.loads(data.decode("utf-8"))
        if isinstance(content, dict):
            for name, value in ONLY.items():
                if content.get(name, value) != value:
                    asked = json.dumps(content[name])[:40]
                    raise ValueError(f"{name} is {asked}, and google-research/bert's encoder knows only {value!r}")
            activation = content.get("hidden_act", "gelu")
            if isinstance(activation, str):
                content["hidden_act"] = ACTIVATIONS.get(activation, activation)
        return validate(content)
    except (ValueError, RecursionError) as error:
        sys.exit(f"{path}: not the configuration of a BERT that can be read here: {error}")


def read_json(path):
    """Returns the dict of a JSON file; exits with one line if it is none."""
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read().decode("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        return content
    except (OSError, ValueError, RecursionError) as error:
        sys.exit(f"{path}: cannot read it: {getattr(error, 'strerror', None) or error}")


def read_labels_of(config, path):
    """Returns the labels, list of str, of a config.json's content, or None if its model has no head.

    Raises: SystemExit if it is not that of a classifier of one label a text.
    """
    architectures = config.get("architectures") or [CLASSIFIER]
    if architectures == ["BertModel"]:
        return None
    if architectures != [CLASSIFIER]:
        sys.exit(f"{path}: of {json.dumps(architectures)[:60]}, not of {CLASSIFIER} or BertModel")
    problem = config.get("problem_type")
    if problem not in (None, "single_label_classification"):
        sys.exit(f"{path}: its problem_type is {json.dumps(problem)[:40]}, and can only be single_label_classification")
    names = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # BertConfig's default
    try:
        labels = [names[str(i)] for i in range(len(names))]
        check_labels(labels)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"{path}: its id2label names no labels of the ids 0, 1 and so on: {error}")
    return labels


def read_folder(folder):
    """Returns what read_tensors does of a folder's model.safetensors, or of all files that its index names.

    Raises: SystemExit if one is missing, or is no safetensors file.
    """
    files, index = [WEIGHTS], os.path.join(folder, INDEX)
    if not os.path.isfile(os.path.join(folder, WEIGHTS)):
        if not os.path.isfile(index):
            sys.exit(f"{folder}: neither {WEIGHTS} nor {INDEX} in it: save the model with safe_serialization=True")
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            sys.exit(f"{index}: no weight_map in it, which says what is in which file")
        files = sorted(set(names.values()))
    tensors = {}
    for name in files:
        path = os.path.join(folder, os.path.basename(name))
        if not os.path.isfile(path):
            sys.exit(f"{path}: no such file, which {INDEX} names: copy all files of the folder")
        with open(path, "rb") as file:
            data = file.read()
        try:
            tensors.update(read_tensors(data))
        except BadArchive as error:
            sys.exit(f"{path}: {error}")
    return tensors


def added_tokens(folder):
    """Returns the tokens that were added to a folder's tokenizer, by its configuration or, from older versions, a file.

    Raises: SystemExit if a file of them can't be read.
    """
    found = []
    if os.path.isfile(os.path.join(folder, TOKENIZER_CONFIG)):
        decoder = read_json(os.path.join(folder, TOKENIZER_CONFIG)).get("added_tokens_decoder") or {}
        if not isinstance(decoder, dict):
            sys.exit(f"{os.path.join(folder, TOKENIZER_CONFIG)}: added_tokens_decoder is no JSON object")
        found += [token.get("content") if isinstance(token, dict) else token for token in decoder.values()]
    if os.path.isfile(os.path.join(folder, ADDED)):
        found += read_json(os.path.join(folder, ADDED))
    return found


def write_vocab(folder, output_dir, config):
    """Writes vocab.txt and tokenizer_config.json, from a folder's vocab.txt or tokenizer.json.

    Raises: SystemExit if there is no vocabulary, it is not of WordPiece or larger than the model's, or the tokenizer
      does what upstream's FullTokenizer doesn't.
    """
    source, vocab_file = os.path.join(folder, VOCAB), os.path.join(output_dir, VOCAB)
    if os.path.isfile(source):
        shutil.copyfile(source, vocab_file)
    else:
        source = os.path.join(folder, TOKENIZER)
        if not os.path.isfile(source):
            sys.exit(f"{folder}: neither {VOCAB} nor {TOKENIZER} in it: save its tokenizer there too")
        model = read_json(source).get("model")
        vocab = model.get("vocab") if isinstance(model, dict) and model.get("type") == "WordPiece" else None
        try:
            if any(type(i) is not int for i in vocab.values()) or sorted(vocab.values()) != list(range(len(vocab))):
                raise ValueError
            data = "".join(token + "\n" for token in sorted(vocab, key=vocab.get)).encode("utf-8")
        except (AttributeError, ValueError):  # no dict, or what is no Unicode text
            sys.exit(f"{source}: no vocabulary of WordPiece in it, with the ids 0, 1 and so on")
        with open(vocab_file, "wb") as file:
            file.write(data)
    vocab = read_vocab(vocab_file)
    try:
        check_size(vocab, config["vocab_size"])
    except ValueError as error:
        sys.exit(f"{source}: {error}: see {os.path.join(folder, CONFIG)}")
    config_file = os.path.join(folder, TOKENIZER_CONFIG)
    told = os.path.isfile(config_file)
    for token in added_tokens(folder):
        if token not in (*SPECIAL_TOKENS, "[MASK]"):
            added = json.dumps(token)[:40]
            sys.exit(f"{folder}: its tokenizer has an added token, {added}: google-research/bert's knows none")
    positions = config["max_position_embeddings"]
    tokenizer = {
        "do_lower_case": read_casing(os.path.join(folder if told else output_dir, VOCAB)),
        "model_max_length": min(read_max_length(folder) or positions, positions),
    }
    with open(os.path.join(output_dir, TOKENIZER_CONFIG), "w", encoding="utf-8") as file:
        file.write(json.dumps(tokenizer, indent=2) + "\n")


def convert(folder, output_dir):
    """Makes of a folder what google-research/bert's scripts read, in another. Raises: SystemExit."""
    config_file = os.path.join(folder, CONFIG)
    if not os.path.isfile(config_file):
        sys.exit(f"{folder}: no {CONFIG} in it: not a folder that transformers saved")
    with open(config_file, "rb") as file:
        config = parse_config(file.read(MAX_BYTES + 1), config_file)
    labels = read_labels_of(read_json(config_file), config_file)
    write_vocab(folder, output_dir, config)
    shapes = variable_shapes(config)
    if labels:
        shapes.update(output_weights=(len(labels), config["hidden_size"]), output_bias=(len(labels),))
        write_labels(output_dir, labels)
    try:
        variables = to_variables(read_folder(folder))
        check_variables(variables, shapes)
        check_known(variables, shapes)
    except ValueError as error:
        sys.exit(f"{folder}: {error}")
    save(dict(variables, global_step=np.int64(0)), os.path.join(output_dir, "model.ckpt"))
    with open(os.path.join(output_dir, "bert_config.json"), "w") as file:
        file.write(json.dumps(config, indent=2, sort_keys=True) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the folder that save_pretrained wrote, of the model and its tokenizer")
    parser.add_argument("output_dir", help="the folder to make")
    args = parser.parse_args()

    part = args.output_dir.rstrip("/") + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    try:
        convert(args.folder, part)
        shutil.rmtree(args.output_dir, ignore_errors=True)
        os.rename(part, args.output_dir)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print("{}: {}".format(args.output_dir, ", ".join(sorted(os.listdir(args.output_dir)))))


if __name__ == "__main__":
    run(main)
