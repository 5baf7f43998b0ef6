"""Files of reviews to score, the command that scores them, and what it leaves."""

import csv
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
MANY = 2 * WINDOW + 500
# Prints the peak memory, in KiB, of the command that it is given.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def texts(count):
    random = np.random.default_rng(4)
    return [" ".join(random.choice(WORDS, random.integers(1, LENGTH))) for _ in range(count)]


def write(path, rows):
    """Writes a list of dicts of str in the format of the path's extension, by other means than infer.score."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".txt":
        path.write_bytes("".join(row["review"] + "\n" for row in rows).encode())
    else:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), dialect="excel" if path.suffix == ".csv" else "excel-tab")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path):
    """Reads a scored file as a list of dicts, probabilities as float."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    elif path.suffix == ".txt":
        rows = [dict(zip(ADDED, line.split("\t"), strict=True)) for line in path.read_text().splitlines()]
    else:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, dialect="excel" if path.suffix == ".csv" else "excel-tab"))
    return [row | {name: float(row[name]) for name in ADDED[1:]} for row in rows]


def score(classifier, *arguments):
    """Runs the command in this process, and gives SIGINT back its handler."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        main(["-m", str(classifier), *map(str, arguments)])
    finally:
        signal.signal(signal.SIGINT, handler)


def refused(classifier, *arguments):
    """Returns the one line that the command must end with."""
    with pytest.raises(SystemExit) as ended:
        score(classifier, *arguments)
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
