"""Predicts every test review with the classifier, those that are longer than it reads in each way that there is.

python -m infer.by_length classifier.xml OUTPUT_DIR --data_dir=reviews, for the comparison. It writes a file for each
way, cut.tsv and so on, as infer.evaluate writes them, and lengths.json: how many WordPieces the model reads, and how
many each review has. Runs in the openvino-current environment.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from infer.classifier import Classifier
from infer.text.examples import read_examples
from infer.text.long import LONG
from infer.text.script import run


def main():
    parser = argparse.ArgumentParser(
        prog="python -m infer.by_length", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="the classifier, classifier.xml")
    parser.add_argument("output_dir", type=Path, help="the folder to write to")
    parser.add_argument("--data_dir", type=Path, required=True, help="the folder of test.jsonl")
    args = parser.parse_args()
    rows = read_examples(args.data_dir / "test.jsonl")
    texts = [row["review"] for row in rows]
    try:
        classifiers = {long: Classifier(args.model, long=long) for long in LONG}
        lengths = np.fromiter(classifiers["cut"].lengths(texts), int)
        room = classifiers["cut"].max_seq_length - 2
        longer = np.flatnonzero(lengths > room)
        cut = np.array(list(classifiers["cut"].predict(texts)))
        answers = {long: cut.copy() for long in LONG}
        for long in LONG[1:]:
            answers[long][longer] = [*classifiers[long].predict(texts[i] for i in longer)]
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(str(error))
    for long, probabilities in answers.items():
        lines = ("\t".join(map(str, (row["label"], *answer))) for row, answer in zip(rows, probabilities, strict=True))
        (args.output_dir / f"{long}.tsv").write_text("".join(f"{line}\n" for line in lines))
    (args.output_dir / "lengths.json").write_text(json.dumps({"room": room, "lengths": lengths.tolist()}) + "\n")


if __name__ == "__main__":
    run(main)
