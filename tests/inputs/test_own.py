"""Texts of one's own: any labels, any of the formats, the same sample on every run; what is wrong is one line."""

import json
import os
import random
import tarfile
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scoring import write

from infer.text.labels import LABELS, read_labels
from inputs.own import main, split_off
from inputs.reviews import read_aclimdb

SPLITS = "train", "test", "calibrate"
ROWS = [{"text": f"text {i}", "kind": ("Drama", "Sci-Fi & Fantasy", "a b")[i % 3]} for i in range(60)]


def sampled(tmp_path, monkeypatch, *arguments):
    """Runs the command; returns ({split: examples}, labels)."""
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["own", *map(str, arguments), str(out)])
    main()
    splits = {split: [json.loads(line) for line in open(out / f"{split}.jsonl")] for split in SPLITS}
    return splits, read_labels(out)


def refused(tmp_path, monkeypatch, *arguments):
    """Returns the line that the command must end with; it may leave nothing behind."""
    with pytest.raises(SystemExit) as ended:
        sampled(tmp_path, monkeypatch, *arguments)
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code and not (tmp_path / "out").exists()
    return ended.value.code


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz"])
def test_every_format_gives_the_same_examples(name, tmp_path, monkeypatch, capsys):
    train, test = write(tmp_path / f"train_{name}", ROWS[:50]), write(tmp_path / f"test_{name}", ROWS[50:])
    splits, labels = sampled(tmp_path, monkeypatch, f"--train={train}", f"--test={test}")
    assert labels == ["Drama", "Sci-Fi & Fantasy", "a b"]
    for split, rows in (("train", ROWS[:50]), ("test", ROWS[50:])):
        assert sorted((row["review"], labels[row["label"]]) for row in splits[split]) == sorted(
            (row["text"], row["kind"]) for row in rows
        )
    assert [row["review"] for row in splits["train"]] != [row["text"] for row in ROWS[:50]], "not shuffled"
    printed = capsys.readouterr().out
    assert "the text is in column 'text', the label in 'kind'" in printed
    assert "Drama: 17; Sci-Fi & Fantasy: 17; a b: 16" in printed
    assert sampled(tmp_path, monkeypatch, f"--train={train}", f"--test={test}") == (splits, labels)
    assert sampled(tmp_path, monkeypatch, f"--train={train}", f"--test={test}", "--random_seed=1")[0] != splits


def test_what_a_size_leaves_of_the_texts_to_train_on_is_kept_to_calibrate_on(tmp_path, monkeypatch, capsys):
    train, test = write(tmp_path / "train.csv", ROWS[:50]), write(tmp_path / "test.csv", ROWS[50:])
    given = f"--train={train}", f"--test={test}"
    assert sampled(tmp_path, monkeypatch, *given)[0]["calibrate"] == []
    assert "calibrate:" not in capsys.readouterr().out
    splits, _ = sampled(tmp_path, monkeypatch, *given, "--train_size=30")
    found = sorted(row["review"] for row in splits["calibrate"] + splits["train"])
    assert found == sorted(row["text"] for row in ROWS[:50]) and len(splits["calibrate"]) == 20
    assert f"calibrate: 20 texts from {train}; Drama: " in capsys.readouterr().out


def test_hugging_faces_imdb_is_taken_as_it_is(tmp_path, monkeypatch):
    """Its schema, as datasets writes it: the ids of neg and pos, and their names in the metadata."""
    info = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    table = pa.table({"text": ["bad", "good", "fine", "poor"], "label": pa.array([0, 1, 1, 0], pa.int64())})
    for name, metadata in (("named", {"huggingface": json.dumps(info)}), ("plain", None)):
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / f"{name}.parquet")
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}).slice(0, 2), tmp_path / "t.parquet")
    splits, labels = sampled(tmp_path, monkeypatch, f"--train={tmp_path}/named.parquet", f"--test={tmp_path}/t.parquet")
    assert labels == LABELS
    assert {row["review"]: row["label"] for row in splits["train"]} == {"bad": 0, "good": 1, "fine": 1, "poor": 0}
    _, labels = sampled(tmp_path, monkeypatch, f"--train={tmp_path}/plain.parquet", "--test_share=0.5")
    assert labels == ["0", "1"]


def test_whole_numbers_are_sorted_by_value_and_labels_can_be_ordered(tmp_path, monkeypatch):
    source = write(tmp_path / "a.jsonl", [{"text": f"{i}", "label": i % 12} for i in range(48)])
    labels = sampled(tmp_path, monkeypatch, f"--train={source}", "--test_share=0.25")[1]
    assert labels == [str(i) for i in range(12)]
    signed = [{"text": f"{i}", "label": ("--5", "+3", "-2")[i % 3]} for i in range(30)]
    source = write(tmp_path / "d.csv", signed)
    assert sampled(tmp_path, monkeypatch, f"--train={source}", "--test_share=0.25")[1] == ["+3", "--5", "-2"]
    source = write(tmp_path / "c.csv", [{"text": f"{i}", "label": ("nan", "3.7", "x")[i % 3]} for i in range(30)])
    assert sampled(tmp_path, monkeypatch, f"--train={source}", "--test_share=0.25")[1] == ["3.7", "nan", "x"]
    source = write(tmp_path / "b.csv", ROWS)
    for given in ("a b, Drama, Sci-Fi & Fantasy", "a b,Drama,Sci-Fi & Fantasy"):
        labels = sampled(tmp_path, monkeypatch, f"--train={source}", "--test_share=0.25", f"--labels={given}")[1]
        assert labels == ["a b", "Drama", "Sci-Fi & Fantasy"]


def test_a_share_is_split_by_label_and_the_same_text_stands_on_one_side():
    rows = [(f"text {i % 70}", f"label {i % 70 % 3}", f"{i}.txt") for i in range(210)] + [("lone", "rare", "")]
    splits = split_off(rows, 0.2, random.Random(0))
    assert sorted(splits["train"] + splits["test"]) == sorted(rows)
    assert not {row[0] for row in splits["train"]} & {row[0] for row in splits["test"]}
    counts = Counter(label for _, label, _ in splits["test"])
    assert all(11 <= counts[f"label {i}"] <= 17 for i in range(3)) and not counts["rare"]
    assert splits == split_off(rows, 0.2, random.Random(0)) != split_off(rows, 0.2, random.Random(1))


def test_a_folder_of_any_labels_and_names(tmp_path, monkeypatch, capsys):
    for split in ("train", "test"):
        for label in ("neg", "pos", "so so"):
            (tmp_path / "mine" / split / label).mkdir(parents=True)
            for i in range(3):
                (tmp_path / "mine" / split / label / f"rev_{i}.txt").write_text(f"{split} {label} {i}")
    splits, labels = sampled(tmp_path, monkeypatch, f"--folder={tmp_path}/mine")
    assert labels == ["neg", "pos", "so so"] and [len(rows) for rows in splits.values()] == [9, 9, 0]
    assert all(row["review"].startswith(f"test {labels[row['label']]} ") for row in splits["test"])
    assert splits["test"][0]["source"].startswith("test/")
    (tmp_path / "mine/train/pos/notes.md").write_text("no text")
    (tmp_path / "mine/train/pos/._rev_0.txt").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "mine/train/pos/REV_9.TXT").write_text("train pos 9")
    os.close(os.open(os.fsencode(tmp_path) + b"/mine/train/neg/caf\xe9.txt", os.O_CREAT))
    (tmp_path / "mine/test/so so").rename(tmp_path / "mine/test/.so so")
    splits, labels = sampled(tmp_path, monkeypatch, f"--folder={tmp_path}/mine")
    assert labels == ["neg", "pos", "so so"] and [len(rows) for rows in splits.values()] == [11, 6, 0]
    assert "train/pos: 1 in it are no .txt files: left out" in capsys.readouterr().out
    splits, _ = sampled(tmp_path, monkeypatch, f"--folder={tmp_path}/mine", "--test_share=0.34")
    assert len(splits["test"]) == 3 and all(row["review"][:6] in ("train ", "") for row in splits["test"])
    assert "in train as well" not in capsys.readouterr().out


def test_imdbs_own_folder_is_the_guides_two_labels(tmp_path, monkeypatch, capsys):
    for split in ("train", "test"):
        for polarity in ("neg", "pos", *["unsup"] * (split == "train")):
            (tmp_path / "aclImdb" / split / polarity).mkdir(parents=True)
            for i in range(20):
                (tmp_path / "aclImdb" / split / polarity / f"{i}_7.txt").write_text(f"{split} {polarity} {i}")
        (tmp_path / "aclImdb" / split / "urls_pos.txt").write_text("stray")
    sizes = ("--train_size=6", "--test_size=4")
    splits, labels = sampled(tmp_path, monkeypatch, f"--folder={tmp_path}/aclImdb", *sizes)
    assert labels == LABELS and "train/unsup: left out" in capsys.readouterr().out
    for split in ("train", "test"):
        (tmp_path / "aclImdb" / split / "unsup").mkdir(exist_ok=True)
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "aclImdb", "aclImdb")
    assert splits == read_aclimdb(tmp_path / "aclImdb_v1.tar.gz", {"train": 6, "test": 4}, random.Random(0))


def test_what_is_worth_knowing_is_said_before_training(tmp_path, monkeypatch, capsys):
    train = write(tmp_path / "train.csv", [*ROWS, {"text": " ", "kind": "Drama"}, {"text": "odd", "kind": ""}])
    test = write(tmp_path / "test.csv", ROWS[:2] + [{"text": "new", "kind": "Drama"}])
    sampled(tmp_path, monkeypatch, f"--train={train}", f"--test={test}")
    printed = capsys.readouterr()
    assert "train: 1 of the texts are empty" in printed.out
    assert "test: 2 of its 3 texts are in train as well" in printed.out
    assert "test: no text has the label 'a b'" in printed.out
    assert "texts have one label here and another there" not in printed.out
    torn = write(tmp_path / "torn.csv", [*ROWS, {"text": "text 0", "kind": "a b"}])
    sampled(tmp_path, monkeypatch, f"--train={torn}", "--test_share=0.2")
    assert "1 texts have one label here and another there" in capsys.readouterr().out
    assert "train.csv: text 62, 'odd': no label: skipped" in printed.err


def test_what_cannot_be_trained_on_is_one_clear_line(tmp_path, monkeypatch):
    def line(*arguments):
        return refused(tmp_path, monkeypatch, *arguments)

    def file(name, rows):
        return write(tmp_path / name, rows)

    good = file("good.csv", ROWS)
    single = file("single.csv", [{"text": f"{i}", "label": "x"} for i in range(9)])
    assert line(f"--train={single}", "--test_share=0.3") == "1 label: a classifier has 2 to 1000: x"
    other = file("other.csv", [{"text": "t", "kind": "Western"}])
    assert "'Western' is a label of the texts to test on, and of none to" in line(f"--train={good}", f"--test={other}")
    assert "are the same: give TEST_SHARE=0.2" in line(f"--train={good}", f"--test={good}")
    (tmp_path / "copy.csv").write_bytes(good.read_bytes())
    assert "are the same: give TEST_SHARE=0.2" in line(f"--train={good}", f"--test={tmp_path}/copy.csv")
    scores = file("scores.csv", [{"text": f"{i}", "label": f"{i / 7:.2f}"} for i in range(20)])
    assert "labels such as 0.14 are measurements: name another column with LABEL_COLUMN=" in line(
        f"--train={scores}", "--test_share=0.3"
    )
    ids = file("ids.csv", [{"text": f"{i}", "label": str(i)} for i in range(1001)])
    assert "1001 labels, such as 0, 1, 10" in line(f"--train={ids}", "--test_share=0.3")
    holes = file("holes.csv", [{"text": f"{i}", "label": "ab"[i % 2] if i % 5 else ""} for i in range(50)])
    assert "holes.csv: 10 of 50 rows are bad, more than a tenth" in line(f"--train={holes}", "--test_share=0.3")
    mixed = file("mixed.csv", [{"text": f"{i}", "label": ("3.7", "2.1", "n/a")[i % 3]} for i in range(20)])
    assert "such as 3.7 are measurements" in line(f"--train={mixed}", "--test_share=0.3")
    times = pa.table({"text": ["a", "b"], "when": pa.array([1, 2], pa.timestamp("ns"))})
    pq.write_table(times, tmp_path / "times.parquet")
    assert "column 'when' is timestamp[ns], not labels: name another" in line(
        f"--train={tmp_path}/times.parquet", "--test_share=0.3"
    )
    assert "to train on: lower TEST_SHARE=" in line(f"--train={good}", "--test_share=0.999")
    wide = file("wide.csv", [{"text": "t", "one": "1", "two": "2"}])
    found = line(f"--train={wide}", "--test_share=0.3")
    assert "no column 'label': name the label with --label_column (make: LABEL_COLUMN=)" in found
    assert found.endswith("beside the text there are one, two")
    assert "no column 'three'" in line(f"--train={wide}", "--test_share=0.3", "--label_column=three")
    (tmp_path / "lines.txt").write_text("good\nbad\n")
    assert "a .txt has no labels" in line(f"--train={tmp_path}/lines.txt", "--test_share=0.3")
    assert "give TEST=, a file to test on, or TEST_SHARE=0.2" in line(f"--train={good}")
    assert "TEST_SHARE=1: must be more than 0 and less than 1" in line(f"--train={good}", "--test_share=1")
    assert "'a b' is a label too" in line(f"--train={good}", "--test_share=0.3", "--labels=Drama,Sci-Fi & Fantasy")
    assert "'zz': no text to train on has this label" in line(
        f"--train={good}", "--test_share=0.3", "--labels=Drama,Sci-Fi & Fantasy,a b,zz"
    )
    assert "no text to train on has this label: raise TRAIN_SIZE=" in line(
        f"--train={good}", "--test_share=0.3", "--train_size=1"
    )
    assert "the corpus has 42: set TRAIN_SIZE=" in line(f"--train={good}", "--test_share=0.3", "--train_size=999")
    (tmp_path / "mine/train").mkdir(parents=True)
    assert "test: no such folder: DATA_DIR must hold train/LABEL/*.txt" in line(f"--folder={tmp_path}/mine")
    assert "no folders of labels in it" in line(f"--folder={tmp_path}/mine", "--test_share=0.3")
    (tmp_path / "mine/train/pos").mkdir()
    assert "pos: no .txt in it" in line(f"--folder={tmp_path}/mine", "--test_share=0.3")
    for i in range(9):
        (tmp_path / f"mine/train/pos/{i}.txt").write_bytes(b"caf\xe9" if i < 2 else b"fine")
    assert "2 of 9 rows are bad, more than a tenth" in line(f"--folder={tmp_path}/mine", "--test_share=0.3")
