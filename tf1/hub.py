"""BERT as a TF Hub module, which the notebook starts from: reads one, or exports a checkpoint as one.

Runs in the tf1 environment: `python -m tf1.hub describe HANDLE OUTPUT_DIR`, `python -m tf1.hub export
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
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_hub.compressed_module_resolver import _module_dir as cache_folder  # of a URL
from tensorflow_hub.resolver import UnsupportedHandleError

from infer.text.bert_config import read_bert_config
from infer.text.script import run
from infer.text.vocab import check_size, read_casing, read_vocab
from inputs.redirect import build_opener
from tf1.checkpoint import read_checkpoint

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.FATAL)
absl.logging.set_verbosity(absl.logging.ERROR)

INPUTS = ("input_ids", "input_mask", "segment_ids")
TIMEOUT = 30  # seconds without data
MODULE_ERRORS = (OSError, RuntimeError, ValueError, EOFError, UnsupportedHandleError, tf.errors.OpError)


def read_module(handle, config=None, timeout=TIMEOUT):
    """Loads a BERT module and checks it; a download that turns out broken is removed from TFHUB_CACHE_DIR.

    Args:
      handle: the folder of a module, or the URL of one, which is downloaded to TFHUB_CACHE_DIR.
      config: ConfigProto; the first session of a process sets the number of threads of all later ones.
      timeout: seconds without data after which a download is given up.
    Returns: (path of its vocab.txt, do_lower_case, dict of bert_config.json without num_attention_heads, which the
      module's variables don't show).
    Raises: SystemExit if it can't be read or downloaded, is not a module, or not a BERT module.
    Source: bert.run_classifier_with_tfhub.create_tokenizer_from_hub_module.
    """
    if "://" not in handle:
        if not os.path.isdir(handle):
            sys.exit(f"{handle}: no such folder: give the folder of a TF Hub module, or its URL")
        return inspect_module(handle, handle, config)
    try:
        download_module(handle, timeout)
        return inspect_module(handle, cache_folder(handle), config)
    except SystemExit:
        if not os.environ.get("OFFLINE"):
            shutil.rmtree(cache_folder(handle), ignore_errors=True)
        raise


def download_module(url, timeout):
    """Downloads a module with tensorflow-hub, unless it is in the cache.

    Raises: SystemExit.
    """
    folder = cache_folder(url)
    if os.path.isdir(folder):
        return
    if os.environ.get("OFFLINE"):
        sys.exit(f"{url}: is not in {os.path.dirname(folder)}, and OFFLINE=1: run it without once, or give a folder")
    remove_stale_lock(url, folder)
    socket.setdefaulttimeout(timeout)
    urllib.request.install_opener(build_opener())
    try:
        hub.resolve(url)
    except (urllib.error.URLError, ConnectionError, socket.timeout, http.client.HTTPException) as error:
        reason = f"no data for {timeout:g} s" if isinstance(error, socket.timeout) else error
        sys.exit(f"{url}: cannot download it ({reason}): run it again, or give the folder of a module")
    except MODULE_ERRORS as error:
        sys.exit(not_a_module(url, error))
    finally:
        socket.setdefaulttimeout(None)


def remove_stale_lock(url, folder):
    """Removes the lock and the files of a killed download, for which tensorflow-hub would wait ten minutes."""
    try:
        with open(folder + ".lock") as file:
            host, pid, download = file.read().rsplit(".", 2)
    except FileNotFoundError:
        return
    if host == socket.gethostname() and not os.path.exists(f"/proc/{pid}"):
        shutil.rmtree(f"{folder}.{download}.tmp", ignore_errors=True)
        os.unlink(folder + ".lock")
    else:
        print(f"{url}: process {pid} on {host} is downloading it: waiting until it has finished", file=sys.stderr)


def not_a_module(handle, error):
    """Returns the message about a handle that an exception shows not to be a module."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return f"{handle}: not a TF Hub module ({reason}): give the folder of a module, or its URL"


def inspect_module(handle, folder, config):
    """Returns what read_module does, for a module in `folder`; `handle` and `config` are read_module's.

    Raises: SystemExit.
    """
    try:
        spec = hub.load_module_spec(folder)
    except MODULE_ERRORS as error:
        sys.exit(not_a_module(handle, error))
    check_signatures(handle, spec)
    try:
        with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
            module = hub.Module(spec)
            info = session.run(module(signature="tokenization_info", as_dict=True))
        vocab_file, do_lower_case = info["vocab_file"].decode(), bool(info["do_lower_case"])
        shapes = {name: variable.shape.as_list() for name, variable in module.variable_map.items()}
        bert_config = config_from_shapes(shapes)
        check_files(folder, vocab_file, bert_config["vocab_size"], shapes)
    except (Exception, SystemExit) as error:  # TensorFlow raises anything on a broken graph
        sys.exit(not_a_module(handle, error))
    return vocab_file, do_lower_case, bert_config


def check_signatures(handle, spec):
    """Exits unless a ModuleSpec has the graphs and signatures of a BERT module."""
    # A TensorFlow 2 module has no tags; "train" marks the graph with dropout, for the first phase.
    tags = [set(tag) for tag in spec.get_tags()]
    for tag in (set(), {"train"}):
        if tag not in tags:
            sys.exit(f"{handle}: no graph with the tags {sorted(tag)}: not a module for fine-tuning BERT")
    for signature in ("tokens", "tokenization_info"):
        if signature not in spec.get_signature_names():
            names = ", ".join(sorted(spec.get_signature_names()))
            sys.exit(f"{handle}: no signature '{signature}', only {names}: not a BERT module")
    missing = set(INPUTS) - set(spec.get_input_info_dict("tokens"))
    if missing or "pooled_output" not in spec.get_output_info_dict("tokens"):
        sys.exit(f"{handle}: its 'tokens' lacks {', '.join(sorted(missing)) or 'pooled_output'}: not a BERT module")


def config_from_shapes(shapes):
    """Returns the dict of bert_config.json that follows from {variable name: shape} of a module.

    Raises: KeyError or ValueError if they are not BERT's.
    """
    (vocab_size, hidden_size), (positions, _), (types, _) = (
        shapes[f"bert/embeddings/{name}_embeddings"] for name in ("word", "position", "token_type")
    )
    biases = [shape for name, shape in shapes.items() if re.search(r"layer_\d+/intermediate/dense/bias$", name)]
    ((intermediate_size,), *_) = biases
    return {
        "hidden_size": hidden_size,
        "intermediate_size": intermediate_size,
        "max_position_embeddings": positions,
        "num_hidden_layers": len(biases),
        "type_vocab_size": types,
        "vocab_size": vocab_size,
    }


def check_files(folder, vocab_file, vocab_size, names):
    """Checks that a module's vocabulary is in its folder and of its size, and that every variable in `names` is there.

    Raises: ValueError, SystemExit.
    """
    if not os.path.realpath(vocab_file).startswith(os.path.realpath(folder) + os.sep):
        raise ValueError(f"its vocabulary is {vocab_file}, outside its folder")
    check_size(read_vocab(vocab_file), vocab_size)
    missing = set(names) - set(read_checkpoint(os.path.join(folder, "variables", "variables")))
    if missing:
        raise ValueError(f"no variable {min(missing)}")


def describe_module(handle, output_dir, timeout):
    """Writes vocab.txt, tokenizer_config.json and bert_config.json of a module, for programs without TensorFlow.

    tokenizer_config.json has do_lower_case, as Hugging Face's does.
    """
    vocab_file, do_lower_case, config = read_module(handle, timeout=timeout)
    shutil.copyfile(vocab_file, os.path.join(output_dir, "vocab.txt"))
    for name, content in (("tokenizer_config.json", {"do_lower_case": do_lower_case}), ("bert_config.json", config)):
        with open(os.path.join(output_dir, name), "w") as file:
            file.write(json.dumps(content, indent=2) + "\n")


def export_module(pretrained_dir, output_dir, do_lower_case=None):
    """Exports bert_model.ckpt, with its bert_config.json and vocab.txt, as a module like Google's on tfhub.dev.

    The graph tagged "train" has dropout, the one without tags has none. Signatures: "tokens" takes int32 input_ids,
    input_mask and segment_ids, each (batch, length), and gives float32 pooled_output (batch, hidden) and
    sequence_output (batch, length, hidden); "tokenization_info" gives vocab_file and do_lower_case, read_casing's for
    None.
    """
    bert_config = modeling.BertConfig(**read_bert_config(os.path.join(pretrained_dir, "bert_config.json")))
    vocab_file = os.path.join(pretrained_dir, "vocab.txt")
    if do_lower_case is None:
        do_lower_case = read_casing(vocab_file)

    def module_fn(is_training):
        inputs = {name: tf.compat.v1.placeholder(tf.int32, [None, None], name) for name in INPUTS}
        model = modeling.BertModel(bert_config, is_training, *(inputs[name] for name in INPUTS))
        outputs = {"pooled_output": model.get_pooled_output(), "sequence_output": model.get_sequence_output()}
        hub.add_signature("tokens", inputs, outputs)
        vocab = tf.constant(vocab_file, name="vocab_file")
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS, vocab)
        hub.add_signature("tokenization_info", {}, {"vocab_file": vocab, "do_lower_case": tf.constant(do_lower_case)})

    tags_and_args = [(set(), {"is_training": False}), ({"train"}, {"is_training": True})]
    spec = hub.create_module_spec(module_fn, tags_and_args)
    spec.export(output_dir, checkpoint_path=os.path.join(pretrained_dir, "bert_model.ckpt"))
    # TensorFlow writes its maps in any order: the same module is to be the same file.
    path = os.path.join(output_dir, "saved_model.pb")
    saved_model = saved_model_pb2.SavedModel()
    with open(path, "rb") as file:
        saved_model.ParseFromString(file.read())
    with open(path, "wb") as file:
        file.write(saved_model.SerializeToString(deterministic=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("fetch", "describe", "export"), help="fetch: only to the cache")
    parser.add_argument("source", help="a module's handle; export: a folder that `make pretrained` made")
    parser.add_argument("output_dir", nargs="?", help="the folder to make")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds without data to give up a download")
    parser.add_argument(
        "--do_lower_case", type=int, choices=(0, 1), help="export: the casing (default: the vocabulary's)"
    )
    args = parser.parse_args()
    if args.command == "fetch":
        read_module(args.source, timeout=args.timeout)
        return
    if not args.output_dir:
        parser.error("give the folder to make")

    part = args.output_dir.rstrip("/") + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    if args.command == "describe":
        describe_module(args.source, part, args.timeout)
    else:
        export_module(args.source, part, None if args.do_lower_case is None else bool(args.do_lower_case))
    shutil.rmtree(args.output_dir, ignore_errors=True)
    os.rename(part, args.output_dir)
    print("{}: {}".format(args.output_dir, ", ".join(sorted(os.listdir(args.output_dir)))))


if __name__ == "__main__":
    run(main)
