"""Samples texts of one's own, of any labels, as inputs/reviews.py does a corpus.

Runs in the openvino-current environment: `python -m inputs.own DATA_DIR --train=train.csv --test=test.csv`, or with
--test_share=0.2 in place of --test, or with --folder=mine, which holds train/LABEL/*.txt and test/LABEL/*.txt.
"""

import argparse
import itertools
import random
import re
import sys
from collections import Counter
from pathlib import Path

from infer.score.dialect import MARKS
from infer.score.files import find_files
from infer.score.labelled import POLARITIES, exit_if_too_bad, find_measurement, read_labelled
from infer.score.reading import add_dialect, find_encoding, options_of
from infer.text.encoding import to_text
from infer.text.files import sha256_of
from infer.text.labels import MAX_LABELS, check_labels
from infer.text.script import run
from inputs.reviews import MAX_REVIEW, by_content, sample, write_examples

SHOWN = 20  # labels, in a line
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def read_table(path, args):
    """Reads a file of texts with labels.

    Args:
      path: Path.
      args: of the command: label_column, and those of infer.score.reading.Options.
    Returns: list of (text, label, source), all str.
    Raises: SystemExit, as read_labelled does, or if its labels are measurements.
    """
    rows = read_labelled(find_files([path]), options_of(args), args.label_column)
    if measured := find_measurement({label: None for _, label in rows}):
        sys.exit(f"{path}: labels such as {measured[:40]} are measurements: name another column with LABEL_COLUMN=")
    return [(text, label, f"{path.name}:{i}") for i, (text, label) in enumerate(rows, 1)]


def read_folder(folder):
    """Reads folder/LABEL/*.txt, a text each.

    Args:
      folder: Path.
    Returns: as read_table; "source" is the file, such as train/pos/1.txt. What IMDB has in unsup is left out.
    Raises: SystemExit if there are no such folders or files, or a tenth of them is not UTF-8, or one is too large.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if {*POLARITIES, "unsup"} == {*names}:
        print(f"{folder}/unsup: left out: IMDB's reviews without a label")
        names.remove("unsup")
    if not names:
        sys.exit(f"{folder}: no folders of labels in it: the texts belong in {folder}/LABEL/*.txt")
    rows, bad = [], 0
    for name in names:
        inside = sorted(path for path in (folder / name).iterdir() if not path.name.startswith("."))
        files = [path for path in inside if path.suffix.lower() == ".txt" and path.is_file()]
        if not files:
            sys.exit(f"{folder / name}: no .txt in it: a folder there is a label, and has a file for each text")
        if len(files) < len(inside):
            print(f"{folder / name}: {len(inside) - len(files)} in it are no .txt files: left out")
        for path in files:
            if path.stat().st_size > MAX_REVIEW:
                sys.exit(f"{path}: more than {MAX_REVIEW} bytes: not a text to classify")
            try:
                source = f"{folder.name}/{name}/{path.name}".encode(errors="backslashreplace").decode()
                rows.append((to_text(path.read_bytes()), name, source))
            except ValueError as error:
                bad += 1
                print(f"{path}: {error}: skipped", file=sys.stderr)
    exit_if_too_bad(folder, bad, len(rows))
    return rows


def read_own(args):
    """Returns {"train": rows, "test": rows}, as read_table does, from what the command names; "test" may be missing.

    The labels of a folder of pos and neg alone, IMDB's, are the guide's, and its order that of read_aclimdb.
    """
    if args.folder:
        folders = {split: args.folder / split for split in ("train", "test") if split == "train" or not args.test_share}
        for folder in folders.values():
            if not folder.is_dir():
                sys.exit(f"{folder}: no such folder: DATA_DIR must hold train/LABEL/*.txt and test/LABEL/*.txt")
        splits = {split: read_folder(folder) for split, folder in folders.items()}
        if args.labels or {label for rows in splits.values() for _, label, _ in rows} != {*POLARITIES}:
            return splits
        return {
            split: sorted(
                ((text, POLARITIES[name], by_content(split, name, text.encode())) for text, name, _ in rows),
                key=lambda row: row[2],
            )
            for split, rows in splits.items()
        }
    if args.test and (args.test.samefile(args.train) or same_content(args.train, args.test)):
        sys.exit(f"{args.test}: TRAIN= and TEST= are the same: give TEST_SHARE=0.2 for a share of it")
    files = {"train": args.train, "test": args.test}
    return {split: read_table(path, args) for split, path in files.items() if path}


def same_content(one, other):
    """Tells whether two files have the same bytes."""
    return one.is_file() and other.is_file() and sha256_of(one) == sha256_of(other)


def order_labels(found, given):
    """Returns the labels in the order of their ids: that given, or sorted, whole numbers by their value.

    Args:
      found: set of str.
      given: list of str, or empty.
    Raises: SystemExit if they can't be a classifier's, or are not those given.
    """
    if given and (unknown := found - {*given}):
        sys.exit(f"LABELS={' '.join(given)}: {min(unknown)[:40]!r} is a label too: add it, or take its texts out")
    if len(found) > MAX_LABELS:
        some = ", ".join(label[:40] for label in sorted(found)[:5])
        sys.exit(f"{len(found)} labels, such as {some}: more than {MAX_LABELS}: name another column with LABEL_COLUMN=")
    whole = all(WHOLE.fullmatch(label) for label in found)
    labels = given or sorted(found, key=(lambda label: (int(label), label)) if whole else None)
    try:
        check_labels(labels)
    except ValueError as error:
        sys.exit(f"{error}: {', '.join(labels[:SHOWN]) or 'there are no texts'}")
    return labels


def split_off(rows, share, rng):
    """Splits rows into {"train": rows, "test": rows}, by label; rows of the same text stand on one side.

    Args:
      rows: as of read_table.
      share: of each label's texts that go to "test".
      rng: random.Random.
    """
    groups = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row)
    by_label = {}
    for group in groups.values():
        by_label.setdefault(group[0][1], []).append(group)
    splits = {"train": [], "test": []}
    for _, found in sorted(by_label.items()):
        rng.shuffle(found)
        wanted, taken = share * sum(map(len, found)), 0
        for group in found:
            is_test = taken + len(group) / 2 <= wanted  # as close to the share as whole groups come
            splits["test" if is_test else "train"] += group
            taken += is_test * len(group)
    return splits


def say_labels(split, rows, labels, where):
    """Prints how many rows a split has of each label, and how many are empty."""
    counts = Counter(label for _, label, _ in rows)
    shown = "; ".join(f"{label}: {counts[label]}" for label in labels[:SHOWN]) + "; …" * (len(labels) > SHOWN)
    print(f"{split}: {len(rows)} texts from {where}; {shown}")
    if empty := sum(not text.strip() for text, _, _ in rows):
        print(f"{split}: {empty} of the texts are empty")


def check_splits(splits, labels):
    """Exits if no text to train on has a label, or there is none to test on; says which labels and texts are odd."""
    counts = {split: Counter(label for _, label, _ in rows) for split, rows in splits.items()}
    if lacking := [label for label in labels if not counts["train"][label]]:
        sys.exit(f"{lacking[0]!r}: no text to train on has this label: raise TRAIN_SIZE=, or leave the label out")
    if not splits["test"]:
        sys.exit("no texts to test on: raise TEST_SHARE=, or give TEST=")
    if lacking := [label for label in labels if not counts["test"][label]]:
        print(f"test: no text has the label {', '.join(map(repr, lacking[:SHOWN]))}: nothing will be known about it")
    train = {text for text, _, _ in splits["train"]}
    if both := sum(text in train for text, _, _ in splits["test"]):
        print(f"test: {both} of its {len(splits['test'])} texts are in train as well: their accuracy tells nothing new")


def parse_labels(text):
    """Returns the labels in LABELS=, between commas if there are some, or spaces."""
    return [label.strip() for label in (text.split(",") if "," in text else text.split())]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="the folder to make: train.jsonl, test.jsonl, labels.txt, …")
    parser.add_argument("--folder", type=Path, help="a folder of train/LABEL/*.txt and test/LABEL/*.txt")
    parser.add_argument("--train", type=Path, help="a file of texts with labels to train on")
    parser.add_argument("--test", type=Path, help="another to evaluate on")
    parser.add_argument("--test_share", type=float, help="or the share of the texts to train on that is taken for that")
    parser.add_argument("--label_column", help="the column of the labels (default: label, sentiment, class, …)")
    parser.add_argument("--labels", default="", help="the labels in the order of their ids (default: sorted)")
    parser.add_argument("--train_size", type=int, help="texts to train on (default: all)")
    parser.add_argument("--test_size", type=int, help="texts to evaluate on (default: all)")
    parser.add_argument("--random_seed", type=int, default=0, help="seed of the sample and of the split")
    add_dialect(parser)
    args = parser.parse_args()
    args.encoding, args.delimiter = find_encoding(args.encoding), MARKS.get(args.delimiter)
    if bool(args.folder) == bool(args.train):
        parser.error("give --train or --folder")
    if args.test_share is not None and not 0 < args.test_share < 1:
        sys.exit(f"TEST_SHARE={args.test_share:g}: must be more than 0 and less than 1")
    if args.train and bool(args.test) == (args.test_share is not None):
        sys.exit(f"{args.train}: give TEST=, a file to test on, or TEST_SHARE=0.2, not both")

    rng = random.Random(args.random_seed)
    splits = read_own(args)
    where = dict.fromkeys(("train", "test", "calibrate"), args.folder or args.train)
    if args.test_share:
        splits = split_off(splits["train"], args.test_share, rng)
    elif args.test:
        where["test"] = args.test
    labels_of = {}
    for text, label, _ in itertools.chain(*splits.values()):
        labels_of.setdefault(text, set()).add(label)
    if torn := sum(len(found) > 1 for found in labels_of.values()):
        print(f"{torn} texts have one label here and another there")
    labels = order_labels({label for rows in splits.values() for _, label, _ in rows}, parse_labels(args.labels))
    if foreign := {label for _, label, _ in splits["test"]} - {label for _, label, _ in splits["train"]}:
        advice = ": lower TEST_SHARE=" if args.test_share else ""
        sys.exit(f"{min(foreign)[:40]!r} is a label of the texts to test on, and of none to train on{advice}")
    sizes = {"train": args.train_size, "test": args.test_size}
    splits = sample(splits, {split: sizes[split] or len(rows) for split, rows in splits.items()}, rng)
    check_splits(splits, labels)
    for split, rows in splits.items():
        if rows:
            say_labels(split, rows, labels, where[split])
    examples = {
        split: [{"review": text, "label": labels.index(label), "source": source} for text, label, source in rows]
        for split, rows in splits.items()
    }
    write_examples(args.data_dir, examples, labels)


if __name__ == "__main__":
    run(main)
