"""Measures a classifier on a file of texts with labels: python -m infer evaluate -m classifier.xml labelled.csv

The file is of any format that `python -m infer score` reads. Printed are accuracy, loss, and of each label precision,
recall and F1, and the confusion matrix. The file is read twice, first to say how much of its texts is longer than the
model reads. Any number of rows takes the same memory.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from infer.options import add_hint, add_long, add_model, add_precision, load
from infer.score.__main__ import interrupt
from infer.score.bad_rows import BadRows, name_of
from infer.score.dialect import MARKS
from infer.score.files import find_files
from infer.score.labelled import FLAG, exit_if_too_bad, open_labelled
from infer.score.reading import LISTED, add_dialect, find_encoding, options_of
from infer.text.long import ADVICE_TOO, say
from infer.text.metrics import write_metrics
from infer.text.script import run


def find_id(labels, taken=None):
    """Returns a function of a label to its id among `labels`; it raises ValueError if it is none of them.

    A whole number is an id, unless there is a digit in one of the labels themselves.

    Args:
      labels: list of str.
      taken: set that gets the numbers that were taken for ids.
    """
    ids = {label: i for i, label in enumerate(labels)}
    numbers = {} if any(map(str.isdigit, "".join(labels))) else {str(i): i for i in ids.values()}

    def find(label):
        if label in numbers and taken is not None:
            taken.add(label)
        if label not in ids and label not in numbers:
            raise ValueError(f"{label[:40]!r} is no label of the classifier, which has {', '.join(labels[:LISTED])}")
        return ids[label] if label in ids else numbers[label]

    return find


def measure(classifier, windows, name):
    """Predicts texts and counts.

    Args:
      classifier: infer.Classifier.
      windows: iterable of (list of str, list of the ids of their labels).
      name: of the file, for the progress bar.
    Returns: (int array (labels, labels): texts by label and predicted label; sum of the cross-entropies in nats).
    """
    counts, loss = np.zeros(2 * [len(classifier.labels)], int), 0.0
    with tqdm(desc=name, unit="row", unit_scale=True, disable=None) as bar:
        for texts, ids in windows:
            probabilities = classifier.predict_window(texts)
            np.add.at(counts, (ids, probabilities.argmax(1)), 1)
            of_label = probabilities[range(len(ids)), ids]
            loss -= np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).sum(dtype=float)
            bar.update(len(texts))
    return counts, loss


def main(arguments=None):
    """Runs the command. Raises: SystemExit with what is wrong; OSError."""
    parser = argparse.ArgumentParser(
        prog="python -m infer evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model(parser)
    add_hint(parser)
    add_precision(parser)
    add_long(parser)
    add_dialect(parser)
    parser.add_argument("--label_column", help="the column of the labels (default: label, sentiment, class, …)")
    parser.add_argument("input", type=Path, nargs="+", metavar="INPUT", help="the file, several, or a folder of them")
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    args = parser.parse_args(arguments)
    args.encoding, args.delimiter = find_encoding(args.encoding), MARKS.get(args.delimiter)
    paths = find_files(args.input)
    name = name_of(paths)
    classifier = load(args, args.hint)
    taken = set()
    read, said = open_labelled(paths, options_of(args), args.label_column, find_id(classifier.labels, taken))
    print(f"{name}: {'; '.join(said)}")
    with tqdm(read(lambda *bad: None), desc="check", unit="window", leave=False, disable=None) as windows:
        counted = sum((classifier.count(texts) for texts, _ in windows), Counter())
    say(name, counted, classifier.max_seq_length - 2, classifier.long, ADVICE_TOO, sys.stdout)
    with open(os.devnull, "wb", buffering=0) as nowhere:
        bad = BadRows(False, True, False, nowhere)
        counts, loss = measure(classifier, read(bad.report), name)
        bad.report_rest(name)
    exit_if_too_bad(name, bad.count, counts.sum())
    if taken:
        ids = ", ".join(f"{i} {classifier.labels[int(i)]}" for i in sorted(taken, key=int)[:LISTED])
        print(f"{name}: numbers are taken for the labels' ids: {ids}")
    if not counts.any():
        sys.exit(f"{name}: no rows in it: name the label with {FLAG}, or give another file")
    print(f"{counts.sum()} texts, bad rows skipped: {bad.count}; loss: {loss / counts.sum():.4f}")
    print(write_metrics(counts, classifier.labels), end="")


if __name__ == "__main__":
    run(main)
