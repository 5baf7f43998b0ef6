"""BERT as a TF Hub module, as the notebook takes it: reading one, and exporting a checkpoint as one.

Runs in the tf1 environment: `python -m inputs.hub describe HANDLE OUTPUT_DIR`, `python -m inputs.hub export
PRETRAINED_DIR OUTPUT_DIR`.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import socket
import sys
import urllib.error
import urllib.request

import absl.logging
import tensorflow as tf
import tensorflow_hub as hub
from bert import modeling
from tensorflow_hub.compressed_module_resolver import _module_dir as cached  # where a URL's module lies
from tensorflow_hub.resolver import UnsupportedHandleError

from inputs.bert_config import read_bert_config
from inputs.checkpoint import read_checkpoint
from inputs.redirect import opener
from inputs.script import run
from inputs.vocab import read_vocab

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.FATAL)
absl.logging.set_verbosity(absl.logging.ERROR)

TOKENS = ("input_ids", "input_mask", "segment_ids")
TIMEOUT = 30  # seconds without a byte
BROKEN = (OSError, RuntimeError, ValueError, EOFError, UnsupportedHandleError, tf.errors.OpError)


def read_module(handle, config=None, timeout=TIMEOUT):
    """Loads a BERT module and checks that it is one; what is broken does not stay in TFHUB_CACHE_DIR.

    Args:
      handle: the folder of a module, or the URL of one, which is downloaded to TFHUB_CACHE_DIR.
      config: ConfigProto; a process's first session decides the number of threads of all.
      timeout: seconds without a byte after which a download is given up.
    Returns: (path of its vocab.txt, do_lower_case, dict of bert_config.json as far as its variables tell; they don't
      tell the number of attention heads).
    Raises: SystemExit if it cannot be had, is no module, or is not BERT's.
    Source: bert.run_classifier_with_tfhub.create_tokenizer_from_hub_module.
    """
    if "://" not in handle:
        if not os.path.isdir(handle):
            sys.exit(f"{handle}: no such folder: give the folder of a TF Hub module, or its URL")
        return inspect_module(handle, handle, config)
    try:
        fetch_module(handle, timeout)
        return inspect_module(handle, cached(handle), config)
    except SystemExit:
        if not os.environ.get("OFFLINE"):
            shutil.rmtree(cached(handle), ignore_errors=True)
        raise


def fetch_module(url, timeout):
    """Has tensorflow-hub download a module, unless it did so before.

    Raises: SystemExit.
    """
    folder = cached(url)
    if os.path.isdir(folder):
        return
    if os.environ.get("OFFLINE"):
        sys.exit(f"{url}: is not in {os.path.dirname(folder)}, and OFFLINE=1: run it without once, or give a folder")
    clear_lock(url, folder)
    socket.setdefaulttimeout(timeout)
    urllib.request.install_opener(opener())
    try:
        hub.resolve(url)
    except (urllib.error.URLError, ConnectionError, socket.timeout, http.client.HTTPException) as error:
        reason = f"nothing came for {timeout:g} s" if isinstance(error, socket.timeout) else error
        sys.exit(f"{url}: cannot download it ({reason}): run it again, or give the folder of a module")
    except BROKEN as error:
        sys.exit(no_module(url, error))
    finally:
        socket.setdefaulttimeout(None)


def clear_lock(url, folder):
    """Removes the lock of a killed download, whose end tensorflow-hub would await for ten minutes, and what it left."""
    try:
        with open(folder + ".lock") as file:
            host, pid, download = file.read().rsplit(".", 2)
    except FileNotFoundError:
        return
    if host == socket.gethostname() and not os.path.exists(f"/proc/{pid}"):
        shutil.rmtree(f"{folder}.{download}.tmp", ignore_errors=True)
        os.unlink(folder + ".lock")
    else:
        print(f"{url}: process {pid} on {host} is downloading it: waiting until that has ended", file=sys.stderr)


def no_module(handle, error):
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return f"{handle}: no TF Hub module there ({reason}): give the folder of a module, or its URL"


def inspect_module(handle, folder, config):
    """Returns what read_module does, of a module in a folder.

    Raises: SystemExit.
    """
    try:
        spec = hub.load_module_spec(folder)
    except BROKEN as error:
        sys.exit(no_module(handle, error))
    # A module of TensorFlow 2 has no tags; "train" is what turns on the dropout of the first phase.
    tags = [set(tag) for tag in spec.get_tags()]
    for tag in (set(), {"train"}):
        if tag not in tags:
            sys.exit(f"{handle}: no graph with the tags {sorted(tag)}: not a module for fine-tuning BERT")
    for signature in ("tokens", "tokenization_info"):
        if signature not in spec.get_signature_names():
            names = ", ".join(sorted(spec.get_signature_names()))
            sys.exit(f"{handle}: no signature '{signature}', only {names}: not a BERT module")
    missing = set(TOKENS) - set(spec.get_input_info_dict("tokens"))
    if missing or "pooled_output" not in spec.get_output_info_dict("tokens"):
        sys.exit(f"{handle}: its 'tokens' lacks {', '.join(sorted(missing)) or 'pooled_output'}: not a BERT module")
    try:
        with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
            module = hub.Module(spec)
            info = session.run(module(signature="tokenization_info", as_dict=True))
        vocab_file, do_lower_case = info["vocab_file"].decode(), bool(info["do_lower_case"])
        shapes = {name: variable.shape.as_list() for name, variable in module.variable_map.items()}
        (vocab_size, hidden_size), (positions, _), (types, _) = (
            shapes[f"bert/embeddings/{name}_embeddings"] for name in ("word", "position", "token_type")
        )
        inner = [shape for name, shape in shapes.items() if re.search(r"layer_\d+/intermediate/dense/bias$", name)]
        ((inner_size,), *_) = inner
        if not os.path.realpath(vocab_file).startswith(os.path.realpath(folder) + os.sep):
            raise ValueError(f"its vocabulary is {vocab_file}, not in it")
        if len(read_vocab(vocab_file)) != vocab_size:
            raise ValueError(f"{vocab_file} has not as many tokens as it has embeddings, {vocab_size}")
        missing = set(shapes) - set(read_checkpoint(os.path.join(folder, "variables", "variables")))
        if missing:
            raise ValueError(f"no variable {min(missing)}")
    except (Exception, SystemExit) as error:  # TensorFlow lets through whatever a broken graph led it to
        sys.exit(no_module(handle, error))
    config = {
        "hidden_size": hidden_size,
        "intermediate_size": inner_size,
        "max_position_embeddings": positions,
        "num_hidden_layers": len(inner),
        "type_vocab_size": types,
        "vocab_size": vocab_size,
    }
    return vocab_file, do_lower_case, config


def describe_module(handle, output_dir, timeout):
    """Writes down a module for those without TensorFlow: vocab.txt, tokenizer_config.json, bert_config.json.

    The casing is named and keyed as in Hugging Face's tokenizer_config.json.
    """
    vocab_file, do_lower_case, config = read_module(handle, timeout=timeout)
    shutil.copyfile(vocab_file, os.path.join(output_dir, "vocab.txt"))
    for name, content in (("tokenizer_config.json", {"do_lower_case": do_lower_case}), ("bert_config.json", config)):
        with open(os.path.join(output_dir, name), "w") as file:
            file.write(json.dumps(content, indent=2) + "\n")


def export_module(pretrained_dir, output_dir):
    """Exports bert_model.ckpt, with its bert_config.json and vocab.txt, as a module such as Google's on tfhub.dev.

    Its graph with the tag "train" has dropout, the one without tags has none. Signatures: "tokens" (int32
    input_ids, input_mask, segment_ids, each (batch, length), to float32 pooled_output (batch, hidden) and
    sequence_output (batch, length, hidden)) and "tokenization_info" (to vocab_file, do_lower_case).
    """
    bert_config = modeling.BertConfig(**read_bert_config(os.path.join(pretrained_dir, "bert_config.json")))
    vocab_file = os.path.join(pretrained_dir, "vocab.txt")

    def module_fn(is_training):
        inputs = {name: tf.compat.v1.placeholder(tf.int32, [None, None], name) for name in TOKENS}
        model = modeling.BertModel(bert_config, is_training, *(inputs[name] for name in TOKENS))
        outputs = {"pooled_output": model.get_pooled_output(), "sequence_output": model.get_sequence_output()}
        hub.add_signature("tokens", inputs, outputs)
        vocab = tf.constant(vocab_file, name="vocab_file")
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS, vocab)
        hub.add_signature("tokenization_info", {}, {"vocab_file": vocab, "do_lower_case": tf.constant(True)})

    tags_and_args = [(set(), {"is_training": False}), ({"train"}, {"is_training": True})]
    spec = hub.create_module_spec(module_fn, tags_and_args)
    spec.export(output_dir, checkpoint_path=os.path.join(pretrained_dir, "bert_model.ckpt"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("describe", "export"), help="what to write")
    parser.add_argument("source", help="describe: a module's handle; export: a folder as `make pretrained` leaves")
    parser.add_argument("output_dir", help="the folder to make")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds without a byte to give up a download")
    args = parser.parse_args()

    part = args.output_dir.rstrip("/") + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    if args.command == "describe":
        describe_module(args.source, part, args.timeout)
    else:
        export_module(args.source, part)
    shutil.rmtree(args.output_dir, ignore_errors=True)
    os.rename(part, args.output_dir)
    print("{}: {}".format(args.output_dir, ", ".join(sorted(os.listdir(args.output_dir)))))


if __name__ == "__main__":
    run(main)
