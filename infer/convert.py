"""Converts a frozen encoder with OpenVINO's TensorFlow frontend; TensorFlow itself is not needed.

  python -m infer.convert encoder bert-finetune.pb bert-finetune.xml
  python -m infer.convert classifier bert-finetune.pb classifier.xml --vocab_file vocab.txt

`encoder` cuts the graph as `mo` does. `classifier` makes one file of encoder, head, vocabulary, casing, labels and
maximum length, the head divided by --temperature; infer.Classifier and `python -m infer` need nothing beside it. Runs
in the openvino-current environment.
"""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import openvino as ov
from openvino.frontend import FrontEndManager, GeneralFailure, OpConversionFailure

from infer.bert import build_classifier
from infer.head import load_head, softmax
from infer.ir import FP32, INFO, TEMPERATURE, reason, save_classifier, save_model, write_info
from infer.ports import INPUTS, MAX_LENGTH, OUTPUT
from infer.precision import write_probes
from infer.temperature import fold, read_found
from infer.text.script import run
from infer.text.vocab import check_size, read_casing, read_vocab

TOLERANCE = 1e-5  # in probability, between the classifier and the encoder as the frontend converts it


@contextlib.contextmanager
def silent_stderr():
    """Keeps from the terminal what the frontend's parser says before it raises."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def convert_encoder(pb):
    """Returns the ov.Model of the frozen encoder at `pb`: three int32 (1, length) to float32 (1, hidden).

    Raises: SystemExit if it is not a whole graph, or not an encoder as ckpt_to_pb.py freezes it.
    """
    frontend = FrontEndManager().load_by_framework("tf")
    try:
        with silent_stderr():
            encoder = frontend.convert(frontend.load(str(pb)))
        inputs = {port.any_name.removesuffix(":0"): port for port in encoder.inputs}  # the frontend adds a :0
        outputs = [port.any_name for port in encoder.outputs]
    except (RuntimeError, GeneralFailure, OpConversionFailure) as error:
        sys.exit(f"{pb}: not a whole frozen graph, or of operations unknown here ({reason(error)}): make pb again")
    if not {*INPUTS} <= {*inputs} or not outputs or not outputs[0].startswith(OUTPUT):
        sys.exit(f"{pb}: no {INPUTS[0]} or {OUTPUT} in it: not an encoder that ckpt_to_pb.py froze")
    for name in inputs.keys() - {*INPUTS}:  # label_ids, which only the loss reads
        encoder.remove_parameter(inputs[name].get_node())
    for name in INPUTS:
        inputs[name].set_names({name})
    shape = inputs[INPUTS[0]].partial_shape
    if shape.rank != 2 or shape[1].is_dynamic or not 3 <= shape[1].get_length() <= MAX_LENGTH:
        sys.exit(f"{pb}: {INPUTS[0]} has no shape (batch, length): not an encoder that ckpt_to_pb.py froze")
    try:
        encoder.reshape({name: [1, shape[1]] for name in INPUTS})
    except RuntimeError as error:
        sys.exit(f"{pb}: not the graph of one encoder ({reason(error)}): make pb again")
    return encoder


def read_weights(encoder):
    """Returns ({name below bert/: float32 array}, number of attention heads, hidden_act) of a converted encoder."""
    operations = {node.get_friendly_name(): node for node in encoder.get_ordered_ops()}
    weights = {
        name.partition("bert/")[2]: node.data
        for name, node in operations.items()
        if node.get_type_name() == "Constant" and name.endswith(("_embeddings", "/kernel", "/bias", "/gamma", "/beta"))
    }
    (heads,) = {node.shape[1] for name, node in operations.items() if name.endswith("layer_0/attention/self/transpose")}
    types = {node.get_type_name() for name, node in operations.items() if "layer_0/intermediate/dense/" in name}
    spelt_out = {"gelu_erf": "Erf", "gelu": "Power", "relu": "Relu", "tanh": "Tanh"}  # by TensorFlow's operations
    return weights, heads, next((name for name, operation in spelt_out.items() if operation in types), "linear")


def largest_difference(classifier, encoder, head, vocab_size, temperature=1.0):
    """Returns the largest difference in probability between the two on random ids, the encoder's at a temperature.

    The encoder pads each row to its length, and its mask says where. The classifier gets the rows alone, without
    padding, and in batches of several lengths, where it is the mask that has to hide the padding.
    """
    length = encoder.input(INPUTS[0]).shape[1]
    core = ov.Core()
    fast, plain = (core.compile_model(model, "CPU", FP32) for model in (classifier, encoder))
    used = np.array([3, length // 2, length])
    random, shape = np.random.default_rng(0), (len(used), length)
    mask = np.arange(length) < used[:, None]
    features = np.stack([random.integers(vocab_size, size=shape) * mask, mask, random.integers(2, size=shape)])
    features = features.astype(np.int32)
    pooled = np.concatenate([plain(dict(zip(INPUTS, features[:, [row]], strict=True)))[0] for row in range(len(used))])
    expected = softmax((pooled @ head[0].T + head[1]) / temperature)
    batches = [[0], [1], [2], [0, 1], [0, 1, 2]]
    got = [fast([*features[:, rows, : used[rows].max()]])[0] for rows in batches]
    return np.abs(np.concatenate(got) - expected[np.concatenate(batches)]).max()  # NaN too


def convert_classifier(pb, head_dir, vocab_file, temperature=None):
    """Returns the ov.Model of infer/bert.py with the weights of `pb`, all it needs to know in its rt_info.

    Args:
      pb: path of the frozen encoder.
      head_dir: folder of weight.npy, bias.npy and labels.txt.
      vocab_file: path of vocab.txt, tokenizer_config.json beside it if it is cased.
      temperature: of infer/calibrate.py, to fold into the head and note in the rt_info, or None.
    Raises: SystemExit if a file is missing or broken, they belong to different models, or the probabilities are
      not those of the encoder as the frontend converts it.
    """
    encoder = convert_encoder(pb)
    *head, labels = load_head(head_dir, encoder.output(0).shape[1])
    vocab, do_lower_case = read_vocab(vocab_file), read_casing(vocab_file)
    if any(node.get_type_name() == "RandomUniform" for node in encoder.get_ops()):
        sys.exit(f"{pb}: it draws dropout's random numbers: freeze a checkpoint of the second phase")
    try:
        weights, num_heads, hidden_act = read_weights(encoder)
        vocab_size = len(weights["embeddings/word_embeddings"])
        classifier = build_classifier(weights, num_heads, fold(*head, temperature or 1), hidden_act)
    except (KeyError, ValueError, RuntimeError) as error:
        sys.exit(f"{pb}: not the graph of google-research/bert: {reason(error)}")
    if broken := [name for name, array in weights.items() if not np.isfinite(array).all()]:
        sys.exit(f"{pb}: some of {broken[0]} is NaN or infinite: freeze another checkpoint")
    try:
        check_size(vocab, vocab_size)
    except ValueError as error:
        sys.exit(f"{vocab_file}: {error}: see {pb}")
    difference = largest_difference(classifier, encoder, head, vocab_size, temperature or 1)
    if not difference <= TOLERANCE:
        sys.exit(f"{pb}: not google-research/bert's computation: probabilities differ by {difference:.2g}")
    print(f"{pb}: probabilities differ by {difference:.2g} at most from the graph's own")
    info = list(vocab), labels, do_lower_case, encoder.input(INPUTS[0]).shape[1]
    write_info(classifier, *info)
    if temperature:
        classifier.set_rt_info(json.dumps(temperature), [INFO, TEMPERATURE])
    write_probes(classifier, ov.Core().compile_model(classifier, "CPU", FP32), info)
    return classifier


def main():
    parser = argparse.ArgumentParser(
        prog="python -m infer.convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("encoder", "classifier"), help="the encoder alone, or all of the classifier")
    parser.add_argument("pb", help="the frozen encoder, bert-finetune.pb")
    parser.add_argument("output", type=Path, help="the IR to write, .xml; its .bin lands beside it")
    parser.add_argument(
        "--head_dir", type=Path, help="the folder of weight.npy and bias.npy (default: that of the .pb)"
    )
    parser.add_argument("--vocab_file", type=Path, help="the vocabulary of the classifier")
    parser.add_argument(
        "--temperature", type=Path, help="the temperature.json of infer.calibrate, to calibrate the classifier with"
    )
    args = parser.parse_args()
    if args.output.suffix != ".xml":
        parser.error(f"{args.output}: an IR's name ends with .xml")
    if args.what == "encoder":
        save_model(convert_encoder(args.pb), args.output)
    elif args.vocab_file:
        head_dir = args.head_dir or Path(args.pb).parent
        temperature = read_found(args.temperature) if args.temperature else None
        save_classifier(convert_classifier(args.pb, head_dir, args.vocab_file, temperature), args.output)
    else:
        parser.error("a classifier needs its --vocab_file")


if __name__ == "__main__":
    run(main)
