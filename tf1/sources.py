"""Compares the forms in which the same weights come: each variable, the vocabulary and the configuration.

Runs in the tf1 environment: `python -m tf1.sources FORMAT ARCHIVE FORMAT ARCHIVE ...`, each as tf1.pretrained takes
them, or `module FOLDER` for a TF Hub module. Exits with one line if they are not the same.
"""

import argparse
import os
import sys
import tempfile

import numpy as np

from infer.text.script import run
from tf1.checkpoint import read_checkpoint
from tf1.pretrained import FORMATS


def read_source(kind, archive, bert_config_file):
    """Returns ({variable: array}, {file name: bytes of vocab.txt and, but of a module, bert_config.json}).

    Raises: SystemExit if the archive is damaged.
    """
    if kind == "module":
        return read_checkpoint(os.path.join(archive, "variables", "variables")), read_files(archive + "/assets")
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(archive)), suffix=".part") as folder:
        try:
            FORMATS[kind](argparse.Namespace(archive=archive, bert_config_file=bert_config_file), folder)
        except ValueError as error:  # BadArchive, or check_variables'
            sys.exit(f"{archive}: {error}")
        return read_checkpoint(os.path.join(folder, "bert_model.ckpt")), read_files(folder)


def read_files(folder):
    """Returns {name: bytes} of a folder's vocab.txt and bert_config.json, as far as they are there."""
    found = {}
    for name in ("vocab.txt", "bert_config.json"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


def compare(first, other):
    """Prints a line for each variable of the first source; returns what differs, a list of str.

    Args:
      first, other: as of read_source; of a module's variables those that the first has.
    """
    (variables, files), (others, other_files) = first, other
    differ = [name for name in files if files[name] != other_files.get(name, files[name])]
    width = max(map(len, variables))
    largest = 0
    for name, value in sorted(variables.items()):
        there = others.get(name)
        if there is None or there.shape != value.shape:
            said = "is not there" if there is None else f"has shape {there.shape}, not {value.shape}"
        else:
            difference = float(np.abs(there - value).max())
            largest = max(largest, difference)
            said = f"{difference:.1e}" if difference else "0"
        print(f"{name:{width}}  {said}")
        differ += [name] * (said != "0")
    print(f"{len(variables)} variables, largest difference {largest:.1e}; {' and '.join(files)}: compared")
    return differ


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="FORMAT ARCHIVE", help="what it holds, and where it is")
    parser.add_argument("--bert_config_file", help="of huggingface: the model's configuration")
    args = parser.parse_args()
    pairs = list(zip(args.sources[::2], args.sources[1::2]))
    if len(pairs) < 2 or len(args.sources) % 2:
        parser.error("give at least two sources, FORMAT ARCHIVE each")

    first = read_source(*pairs[0], args.bert_config_file)
    different = []
    for kind, archive in pairs[1:]:
        print(f"{archive} against {pairs[0][1]}, the largest difference of each variable:")
        differ = compare(first, read_source(kind, archive, args.bert_config_file))
        if differ:
            different.append(f"{archive}: {len(differ)} differ from {pairs[0][1]}, such as {differ[0]}")
    if different:
        sys.exit("; ".join(different) + ": one of them is of other weights")
    print(f"{len(pairs)} sources, the same weights")


if __name__ == "__main__":
    run(main)
