"""Reads and checks reviews. Standard library only, in every environment, on Python 3.7 as well."""

import contextlib
import json
import os
import sys
from pathlib import Path

from infer.text.encoding import find_wide, guess_narrow
from infer.text.labels import read_labels

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".bz2", ".zst")  # what `make score` reads
GUIDE_REVIEWS = Path(__file__).parents[1] / "reviews.txt"
MAX_REVIEWS = 1 << 30  # bytes of a file of reviews to predict, which is read as a whole


def decode(data, name):
    """Returns the text of a file's bytes; exits, naming the file `name`, if they are not UTF-8."""
    wide = find_wide(data)
    if wide:
        sys.exit(f"{name}: is {wide.upper()}: convert it: iconv -f {wide} -t utf-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        likely = guess_narrow(data)
        guess = f", likely {likely}" if likely else ""
        sys.exit(f"{name}: line {line} is not UTF-8{guess}: convert it: iconv -f {likely or 'NAME'} -t utf-8")


def read_lines(path):
    """Reads a file with one review per line, '-' for standard input; a blank line is an empty review.

    As `make score` reads a .txt: less a byte order mark, and with Windows' line ends too.
    Returns: list of str.
    Raises: SystemExit if the file can't be read, is a table by its name, is larger than MAX_REVIEWS bytes, is not
      UTF-8, or has no lines.
    """
    if str(path).lower().endswith(TABLES):
        sys.exit(f"{path}: not a text file of one review a line: `make score` reads it")
    try:
        if path == "-" and not sys.stdin:
            sys.exit("-: standard input is closed")
        with contextlib.nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            data = file.read(MAX_REVIEWS + 1)
    except OSError as error:
        sys.exit(f"{path}: cannot read the reviews: {error.strerror}")
    if len(data) > MAX_REVIEWS:
        sys.exit(f"{path}: more than {MAX_REVIEWS} bytes: `make score` reads files of any size")
    # Only \n ends a line: str.splitlines would also split at a form feed or U+2028 inside a review.
    text = decode(data, path)
    lines = text[text.startswith("\ufeff") :].split("\n")
    lines = lines if lines[-1] else lines[:-1]
    if not lines:
        sys.exit(f"{path}: no reviews in it")
    return [line[:-1] if line.endswith("\r") else line for line in lines]


def read_examples(path):
    """Reads a file of examples, as inputs/reviews.py writes them.

    Returns: list of dict with "review" (str), "label" (int, its id) and "source" (str).
    Raises: SystemExit if there is no such file, or a line is not an example.
    """
    count = len(read_labels(os.path.dirname(str(path))))
    try:
        with open(path, encoding="utf-8") as file:
            return [check_example(number, json.loads(line), count) for number, line in enumerate(file, 1)]
    except (ValueError, RecursionError) as error:
        sys.exit(f"{path}: not a file of examples, as `make reviews` writes: {error}")
    except FileNotFoundError:
        sys.exit(f"{path}: no such file: --data_dir must hold train.jsonl and test.jsonl, as `make reviews` writes")


def check_example(number, row, num_labels):
    """Returns `row`, what the JSON of line `number` holds; raises ValueError if that is no example of these labels."""
    if not isinstance(row, dict) or not isinstance(row.get("review"), str):
        raise ValueError(f"line {number} has no text")
    if type(row.get("label")) is not int or row["label"] not in range(num_labels):
        raise ValueError(f"line {number} has no label")
    return row
