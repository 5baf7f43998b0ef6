"""Predicts every test review with an IR, for the ablation: python -m infer.evaluate -m bert-finetune.xml OUTPUT_DIR"""

import argparse
import os
from pathlib import Path

from tqdm import tqdm

from infer.guide import load_classifier
from infer.text.examples import read_examples
from infer.text.script import run
from infer.text.tokenizer import load_tokenizer, read_casing, read_vocab, to_features


def main():
    parser = argparse.ArgumentParser(prog="python -m infer.evaluate", description=__doc__)
    parser.add_argument("-m", "--model", required=True, help="the IR of the encoder, weight.npy and bias.npy beside it")
    parser.add_argument("--vocab_file", type=Path, required=True, help="the vocabulary")
    parser.add_argument("--data_dir", type=Path, required=True, help="the folder of test.jsonl")
    parser.add_argument("--repeats", type=int, default=1, help="how often, for a model that draws random numbers")
    parser.add_argument(
        "output_dir", type=Path, help="where to write probabilities-1.tsv and so on: label, p(0), p(1) …"
    )
    args = parser.parse_args()

    predict, max_seq_length, _ = load_classifier(args.model)
    vocab = read_vocab(args.vocab_file)
    encode = load_tokenizer(vocab, do_lower_case=read_casing(args.vocab_file))
    rows = read_examples(args.data_dir / "test.jsonl")
    examples = [
        (row["label"], to_features(ids, (vocab["[CLS]"], vocab["[SEP]"]), max_seq_length))
        for row, ids in zip(rows, encode([row["review"] for row in rows]), strict=True)
    ]
    with tqdm(desc=f"{args.model}", total=args.repeats * len(examples), unit="review", mininterval=5) as bar:
        for i in range(1, args.repeats + 1):
            with open(args.output_dir / f"probabilities-{i}.tsv.part", "w") as file:
                for label, features in examples:
                    file.write("\t".join(map(str, (label, *predict(features)))) + "\n")
                    bar.update()
    for i in range(args.repeats, 0, -1):  # the first, which Make looks at, last
        path = args.output_dir / f"probabilities-{i}.tsv"
        os.replace(f"{path}.part", path)


if __name__ == "__main__":
    run(main)
