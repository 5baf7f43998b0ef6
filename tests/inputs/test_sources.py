"""Hugging Face's parquet files and Stanford's tar of the same reviews give the same sample; and their comparison."""

import random
import sys
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inputs import sources
from inputs.reviews import PARQUET, by_content, read_aclimdb

SIZES = {"train": 30, "test": 20}
TEXTS = [f"A film.<br /><br />Café, “number” {i}\x85" for i in range(18)] + ["Twice the same.", "Twice the same."]


@pytest.fixture
def forms(tmp_path):
    """The same reviews as a tar and as parquet files, whose rows are in another order: (tar, folder)."""
    rng = random.Random(0)
    for split, name in PARQUET.items():
        rows = [(f"{split}: {text} {'no' if not label else 'yes'}", label) for label in (0, 1) for text in TEXTS]
        for i, (text, label) in enumerate(rows):
            path = tmp_path / f"aclImdb/{split}/{('neg', 'pos')[label]}/{i}_{9 if label else 2}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        rng.shuffle(rows)
        write(tmp_path / "aclImdb_v1-huggingface" / name, rows)
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "aclImdb", "aclImdb")
    return tmp_path / "aclImdb_v1.tar.gz", tmp_path / "aclImdb_v1-huggingface"


def write(path, rows):
    """Writes [(text, label)] as stanfordnlp/imdb has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts, labels = zip(*rows, strict=True)
    pq.write_table(pa.table({"text": pa.array(texts, "string"), "label": pa.array(labels, "int64")}), path)


def test_the_sample_is_the_same_from_either(forms, tmp_path):
    tar, folder = forms
    samples = read_aclimdb(tar, SIZES, random.Random(0))
    assert (
        samples
        == read_aclimdb(folder, SIZES, random.Random(0))
        == read_aclimdb(tmp_path / "aclImdb", SIZES, random.Random(0))
    )
    assert samples != read_aclimdb(folder, SIZES, random.Random(1))
    for split, size in SIZES.items():
        assert len(samples[split]) == size and {row["label"] for row in samples[split]} == {0, 1}
        for row in samples[split]:
            assert row["review"].startswith(f"{split}: ") and row["review"].endswith(("no", "yes")[row["label"]])
            assert row["source"] == by_content(split, ("neg", "pos")[row["label"]], row["review"].encode())
    whole = read_aclimdb(folder, {"train": 40, "test": 40}, random.Random(0))
    assert sum(row["review"] == "train: Twice the same. no" for row in whole["train"]) == 2


def compare(monkeypatch, capsys, *archives):
    """Runs inputs.sources' main; returns (what it printed, the line it ends with or None)."""
    monkeypatch.setattr(sys, "argv", ["inputs.sources", *map(str, archives)])
    end = None
    try:
        sources.main()
    except SystemExit as exit_:
        end = exit_.code
    return capsys.readouterr().out, end


def test_the_same_reviews_are_told_from_others(forms, monkeypatch, capsys):
    tar, folder = forms
    printed, end = compare(monkeypatch, capsys, tar, folder)
    assert end is None and "train/neg: 20 reviews\n" in printed and "2 sources, the same reviews" in printed
    path = folder / PARQUET["test"]
    rows = list(zip(*pq.read_table(path).to_pydict().values(), strict=True))
    at = rows.index(("test: Twice the same. no", 0))
    for spoilt, message in [
        (rows[:at] + rows[at + 1 :], f"1 only in {tar}, such as test/neg/"),
        ([*rows, rows[at]], f"1 only in {folder}, such as test/neg/"),
        ([*rows[:at], (rows[at][0], 1), *rows[at + 1 :]], "such as test/neg/"),
        ([*rows[:at], (rows[at][0] + " ", 0), *rows[at + 1 :]], f"1 only in {tar}"),
    ]:
        write(path, spoilt)
        _, end = compare(monkeypatch, capsys, tar, folder)
        assert end.startswith(f"{folder}: not the reviews of {tar}: ") and message in end and "\n" not in end


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "not a complete parquet file of reviews"),
        (lambda path: path.write_bytes(b"<html>"), "not a complete parquet file of reviews"),
        (lambda path: pq.write_table(pa.table({"text": ["good"]}), path), "not a complete parquet file of reviews"),
        (lambda path: write(path, [("good", 2)]), "a label that is neither 0 nor 1"),
        (lambda path: write(path, [(None, 1)]), "a row without a text"),
        (lambda path: write(path, [("x" * (1 << 20) + "x", 1)]), "row 0 has more than 1048576 bytes: not a review"),
    ],
)
def test_a_parquet_file_that_lies_is_one_clear_line(spoil, message, forms):
    spoil(forms[1] / PARQUET["test"])
    with pytest.raises(SystemExit) as end:
        read_aclimdb(forms[1], SIZES, random.Random(0))
    assert PARQUET["test"] in end.value.code and message in end.value.code and "\n" not in end.value.code
