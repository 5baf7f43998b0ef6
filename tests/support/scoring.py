"""Files of reviews to score, the command that scores them, and what it leaves."""

import bz2
import csv
import gzip
import io
import json
import signal
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small import LENGTH, WORDS

from infer.score.__main__ import main
from infer.text.tokenizer import WINDOW

ADDED = ["label", "p_negative", "p_positive"]
# Functions that open a file with such an extension after the format's; Python 3.11 has none for .zst.
PACKINGS = {
    "": open,
    "gz": gzip.open,
    "bz2": bz2.open,
    "zst": lambda path, mode: (pa.input_stream if mode == "rb" else pa.output_stream)(str(path), compression="zstd"),
}
MANY = 2 * WINDOW + 500
# Kills itself with SIGKILL at the n-th call of a function of os, before or after it is done.
KILLER = """
import os, signal, sys
from infer.score.__main__ import main
name, count, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
real, calls = getattr(os, name), 0
def killing(*arguments, **options):
    global calls
    calls += 1
    if calls == count and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = real(*arguments, **options)
    if calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
setattr(os, name, killing)
main(sys.argv[4:])
"""
# Prints the peak memory, in KiB, of the command that it is given.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def texts(count):
    """Returns texts of WORDS, none of them longer than is read."""
    random = np.random.default_rng(4)
    return [" ".join(random.choice(WORDS, random.integers(1, LENGTH - 1))) for _ in range(count)]


def write(path, rows):
    """Writes a list of dicts of str in the format of the path's extension, by other means than infer.score."""
    text = io.StringIO(newline="")
    name, _, packing = path.name.partition(".")[2].partition(".")
    if name == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if name in ("jsonl", "ndjson"):
        text.write("".join(json.dumps(row) + "\n" for row in rows))
    elif name == "json":
        json.dump(rows, text, indent=1)
    elif name == "txt":
        text.write("".join(row["review"] + "\n" for row in rows))
    else:
        writer = csv.DictWriter(text, list(rows[0]), dialect="excel" if name == "csv" else "excel-tab")
        writer.writeheader()
        writer.writerows(rows)
    with PACKINGS[packing](path, "wb") as file:
        file.write(text.getvalue().encode())
    return path


def read(path):
    """Reads a scored file as a list of dicts, probabilities as float."""
    name, _, packing = path.name.partition(".")[2].partition(".")
    if name == "parquet":
        rows = pq.read_table(path).to_pylist()
        return [row | {name: float(row[name]) for name in ADDED[1:]} for row in rows]
    with PACKINGS[packing](path, "rb") as file:
        text = file.read().decode()
    if name in ("jsonl", "ndjson"):
        rows = [json.loads(line) for line in text.split("\n")[:-1]]
    elif name == "json":
        rows = json.loads(text)
    elif name == "txt":
        rows = [dict(zip(ADDED, line.split("\t"), strict=True)) for line in text.splitlines()]
    else:
        dialect = "excel" if name == "csv" else "excel-tab"
        rows = list(csv.DictReader(io.StringIO(text, newline=""), dialect=dialect))
    return [row | {name: float(row[name]) for name in ADDED[1:]} for row in rows]


def score(classifier, *arguments, main=main):
    """Runs the command, or another's main, in this process, and gives SIGINT back its handler."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        main(["-m", str(classifier), *map(str, arguments)])
    finally:
        signal.signal(signal.SIGINT, handler)


def refused(classifier, *arguments, main=main):
    """Returns the one line that the command must end with."""
    with pytest.raises(SystemExit) as ended:
        score(classifier, *arguments, main=main)
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code
    return ended.value.code


def command(classifier, *arguments):
    return [sys.executable, "-m", "infer", "score", "-m", str(classifier), *map(str, arguments)]


@pytest.fixture(scope="session")
def many(classifier, tmp_path_factory):
    """A file of some windows, and what an undisturbed run makes of it."""
    folder = tmp_path_factory.mktemp("many")
    source = write(folder / "many.csv", [{"n": str(i), "review": text} for i, text in enumerate(texts(MANY))])
    score(classifier, source, folder / "undisturbed.csv")
    return source, (folder / "undisturbed.csv").read_bytes()
