"""Finds the temperature of a classifier: python -m infer.calibrate bert-finetune.pb FOLDER --head_dir … and so on

On texts with labels that it was not trained on: calibrate.jsonl of the reviews' folder, which was kept from training,
or --labelled. What is found there is written to FOLDER/temperature.json, for `infer.convert classifier`, and what it
gives on the test reviews, which choose nothing, to FOLDER/results.txt. Runs in the openvino-current environment.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import openvino as ov

from infer.convert import convert_classifier
from infer.head import softmax
from infer.ir import FP32, values_of
from infer.score.dialect import MARKS
from infer.score.evaluate import find_id
from infer.score.files import find_files
from infer.score.labelled import read_labelled
from infer.score.reading import add_dialect, find_encoding, options_of
from infer.temperature import LEAST, check_enough, compare, find_temperature, write_table
from infer.text.examples import read_examples
from infer.text.labels import read_labels
from infer.text.script import run
from infer.text.tokenizer import load_tokenizer, to_batches

BATCH_SIZE = 32
KEPT = "calibrate.jsonl"
ADVICE = "lower TRAIN_SIZE=, or give texts with labels that it was not trained on, CALIBRATE=labelled.csv"


def compute_logits(network, info, texts):
    """Returns the float array (texts, labels) of what the softmax of a classifier's ov.Model gets, in FP32."""
    tokens, labels, do_lower_case, max_seq_length = info
    vocab = {token: i for i, token in enumerate(tokens)}
    of_softmax = network.output(0).get_node().input_value(0).get_node().input_value(0)
    compiled = ov.Core().compile_model(ov.Model([of_softmax], network.get_parameters()), "CPU", FP32)
    logits = np.empty((len(texts), len(labels)))
    pieces, frame = load_tokenizer(vocab, do_lower_case)(texts), (vocab["[CLS]"], vocab["[SEP]"])
    for chosen, features in to_batches(pieces, frame, max_seq_length, BATCH_SIZE):
        logits[chosen] = compiled(features)[0]
    return logits


def read_sets(args, names):
    """Returns (the texts to calibrate on, the test texts), each [(text, id of its label)]; says what is left out.

    Args:
      args: of the command: data_dir, labelled, label_column, and those of infer.score.reading.Options.
      names: the classifier's labels, list of str.
    Raises: SystemExit if a file can't be read, or the reviews have other labels than the classifier.
    """
    theirs = read_labels(args.data_dir)
    if names != theirs:
        sys.exit(
            f"{args.data_dir}: its labels are {', '.join(theirs)[:80]}, the classifier's {', '.join(names)[:80]}: give "
            "TRAIN= and TEST= of the classifier's labels"
        )

    def read(path):
        return [(row["review"], row["label"]) for row in read_examples(path)]

    train, test = (read(args.data_dir / f"{split}.jsonl") for split in ("train", "test"))
    if args.labelled:
        rows = read_labelled(find_files([args.labelled]), options_of(args), args.label_column, find_id(names))
    else:
        rows = read(args.data_dir / KEPT)
    known = {text for text, _ in train + test}
    left = [row for row in rows if row[0] not in known]
    if len(left) < len(rows):
        name = args.labelled or args.data_dir / KEPT
        print(f"{name}: {len(rows) - len(left)} of its {len(rows)} texts are in train or test as well: left out")
    return left, test


def main():
    parser = argparse.ArgumentParser(
        prog="python -m infer.calibrate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pb", help="the frozen encoder, bert-finetune.pb")
    parser.add_argument("folder", type=Path, help="where to write; it must be there")
    parser.add_argument("--head_dir", type=Path, required=True, help="the folder of weight.npy and bias.npy")
    parser.add_argument("--vocab_file", type=Path, required=True, help="the vocabulary of the classifier")
    parser.add_argument("--data_dir", type=Path, required=True, help="the folder of train.jsonl, test.jsonl, …")
    parser.add_argument("--labelled", type=Path, help="a file of texts with labels (default: calibrate.jsonl)")
    parser.add_argument("--label_column", help="of --labelled: the column of the labels (default: label, class, …)")
    add_dialect(parser)
    args = parser.parse_args()
    args.encoding, args.delimiter = find_encoding(args.encoding), MARKS.get(args.delimiter)

    name = args.labelled or args.data_dir / KEPT
    network = convert_classifier(args.pb, args.head_dir, args.vocab_file)
    info = values_of(network)
    rows, test = read_sets(args, info[1])
    labels, test_labels = (np.array([label for _, label in pairs]) for pairs in (rows, test))
    try:
        check_enough([*labels])
        logits = compute_logits(network, info, [text for text, _ in rows])
        temperature = find_temperature(logits, labels)
    except ValueError as error:
        sys.exit(f"{name}: {error}{': ' + ADVICE if len(rows) < LEAST and not args.labelled else ''}")
    test_logits = compute_logits(network, info, [text for text, _ in test])
    sets = {"calibration set": (labels, softmax(logits)), "test, FP32": (test_labels, softmax(test_logits))}
    compared = compare(sets, temperature)
    found = {"temperature": temperature, "found on": str(name), "measured": compared}
    (args.folder / "temperature.json").write_text(json.dumps(found, indent=2) + "\n")
    (args.folder / "results.txt").write_text(write_table(temperature, compared))


if __name__ == "__main__":
    run(main)
