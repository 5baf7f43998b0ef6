"""What Make's fast way gives a user beyond the classifier itself."""

import csv
import gzip
import json
from subprocess import STDOUT

import pytest
from checkout import make, make_fails

TINY = "PROFILE=tiny"


def test_score_reads_and_writes_the_users_own_files(tiny, tmp_path):
    source, output = tmp_path / "critic's.CSV", tmp_path / "scored.jsonl"
    source.write_text('id,the critic\'s $text\n7,"Creative, and surprising"\n8\n9,Absolutely awful\n')
    given = f"INPUT={source}", f"OUTPUT={output}"
    printed = make_fails(tiny, "score", TINY, *given)
    why = "name the text with --text_column (make: TEXT_COLUMN=): there are id, the critic's $text"
    assert f"{source}: no column 'review': {why}" in printed
    printed = make(tiny, "score", TINY, *given, "TEXT_COLUMN=the critic's $text")
    scored = f"{output}: scored 2 rows, 1 bad row skipped, listed in {output}.errors\n"
    assert printed == "scoring with build/tiny/classifier.xml\n" + scored
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["7", "9"]
    assert all(list(row) == ["id", "the critic's $text", "label", "p_negative", "p_positive"] for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["critic's.CSV", "scored.jsonl", "scored.jsonl.errors"]
    assert "all as recorded" in make(tiny, "verify", TINY)

    relative = make(tiny, "score", TINY, "INPUT=build/tiny/reviews/heldout.txt", f"OUTPUT={tmp_path}/scored.tsv")
    with open(tmp_path / "scored.tsv", newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert f"scored {len(rows)} rows, 0 bad rows skipped" in relative
    assert "\n".join(row["review"] for row in rows) + "\n" == (tiny / "build/tiny/reviews/heldout.txt").read_text()


def test_long_texts_are_read_as_long_says(tiny, tmp_path):
    source = tmp_path / "in.jsonl"
    words = "a bad film of good plot not dull great bad it".split() * 8  # 11: no two windows of 30 are the same
    rows = [{"review": " ".join(words[: 2 * n]), "label": n // 2 % 2} for n in range(1, 40, 2)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    printed, answers, accuracy = {}, {}, {}
    for long in ("cut", "head_tail", "windows"):
        output = tmp_path / f"{long}.txt"
        printed[long] = make(tiny, "score", TINY, f"INPUT={source}", f"OUTPUT={output}", f"LONG={long}", stderr=STDOUT)
        answers[long] = output.read_text()
        accuracy[long] = make(tiny, "evaluate", TINY, f"INPUT={source}", f"LONG={long}")
    assert "(make: LONG=windows) reads them, in 1.9 times as many rows" in printed["cut"]
    assert "; read in windows, in 1.9 times as many rows\n" in printed["windows"]
    assert "; read in windows, in 1.9 times as many rows\n" in accuracy["windows"]
    assert "not read, between the first 7 and the last 23:" in printed["head_tail"]
    make(tiny, "score", TINY, f"INPUT={source}", f"OUTPUT={tmp_path}/default.txt")
    assert (tmp_path / "default.txt").read_text() == answers["cut"] != answers["windows"]
    assert len({loss.partition("loss: ")[2].partition("\n")[0] for loss in accuracy.values()}) > 1


def test_score_reads_several_files_in_the_way_that_is_given(tiny, tmp_path):
    for name in ("1's", "2"):
        text = 'id;text\n7;"A \\"café\\"; and more"\n'
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode("cp1252")))
    given = "ENCODING=cp1252", "DELIMITER=semicolon", "QUOTES=backslash", f"OUTPUT={tmp_path}/scored.csv.zst"
    printed = make(tiny, "score", TINY, f"INPUT={tmp_path}/1's.csv.gz {tmp_path}/2.csv.gz", *given)
    assert printed.endswith("scored.csv.zst: scored 2 rows, 0 bad rows skipped\n")
    whole = (tmp_path / "scored.csv.zst").read_bytes()
    make(tiny, "score", TINY, f"INPUT={tmp_path}/*.csv.gz", *given)
    assert (tmp_path / "scored.csv.zst").read_bytes() == whole
    given = f"INPUT={tmp_path}/headless.tsv", f"OUTPUT={tmp_path}/headless.json", "TEXT_COLUMN=column_2"
    (tmp_path / "headless.tsv").write_text("1\tgood\n2\tbad\n")
    make(tiny, "score", TINY, *given, "NO_HEADER=1")
    assert [row["column_2"] for row in json.loads((tmp_path / "headless.json").read_text())] == ["good", "bad"]


def test_score_refuses_what_is_missing_before_anything_is_made(bare, tmp_path):
    (tmp_path / "reviews.csv").touch()
    (tmp_path / "reviews.doc").touch()
    (tmp_path / "reviews.jsonl").touch()
    both = f"INPUT={tmp_path}/reviews.jsonl", f"OUTPUT={tmp_path}/scored.parquet"
    there, out = f"INPUT={tmp_path}/reviews.csv", f"OUTPUT={tmp_path}/scored.csv"
    for arguments, message in (
        ([], "make score: what to read and what to write are missing: add INPUT=reviews.csv OUTPUT=scored.csv"),
        ([there], "make score: what to read and what to write are missing"),
        ([f"INPUT={tmp_path}/nowhere.csv", out], "nowhere.csv: no such file or folder"),
        (
            [f"INPUT={tmp_path}/reviews.doc", out],
            "reviews.doc: must end with one of .csv .tsv .jsonl .ndjson .json .txt",
        ),
        ([there, f"OUTPUT={tmp_path}/scored.parquet.gz"], "scored.parquet.gz: must end with one of .csv"),
        ([there, out, "DELIMITER=dot"], "DELIMITER='dot': choose comma, semicolon, tab or pipe"),
        ([there, out, "QUOTES=single"], "QUOTES='single': choose doubled, backslash or none"),
        ([there, f"OUTPUT={tmp_path}/no/scored.csv"], "no/scored.csv: no such folder: make it first"),
        ([there, "OUTPUT=a b.doc"], "OUTPUT=a b.doc: must end with one of .csv"),
        ([there, "OUTPUT=no, no/b.csv"], "OUTPUT=no, no/b.csv: no such folder: make it first"),
        ([there, out, "PRECISION=fp16"], "PRECISION='fp16': choose fp32, bf16, int8 or auto"),
        ([there, out, "ENGINE=spark"], "ENGINE='spark': choose local or ray"),
        ([there, out, "LONG=all"], "LONG='all': choose cut, head_tail or windows"),
        ([there, out, "ENGINE=ray"], "reviews.csv: ENGINE=ray takes .jsonl and .parquet"),
        ([there, out, "RAY_ADDRESS=a:1"], "RAY_ADDRESS=a:1: add ENGINE=ray, or leave it out"),
        (["ENGINE=ray", "RAY_ADDRESS=a", *both], "RAY_ADDRESS='a': must be HOST:PORT, such as 10.0.0.1:6379"),
        (["ENGINE=ray", "RAY_ADDRESS=a';b:1", *both], "RAY_ADDRESS='a';b:1': must be without '"),
    ):
        assert message in make_fails(bare, "score", TINY, *arguments)
    assert "make predict predicts as the guide does, which cuts" in make_fails(bare, "predict", TINY, "LONG=windows")
    assert not list(bare.glob("build/*/*")), "nothing is made, nothing fetched"


def test_score_in_int8_and_in_what_is_fastest(tiny, tmp_path):
    source = "INPUT=build/tiny/reviews/heldout.txt"
    for precision in ("fp32", "int8", "auto"):
        make(tiny, "score", TINY, source, f"OUTPUT={tmp_path}/{precision}.tsv", f"PRECISION={precision}")
    exact, quantised, fastest = ((tmp_path / f"{name}.tsv").read_text() for name in ("fp32", "int8", "auto"))
    assert exact != quantised
    note = json.loads((tiny / "build/tiny/classifier.cache/auto.json").read_text())
    assert {"fp32": exact, "int8": quantised}.get(note["precision"], fastest) == fastest


@pytest.mark.more
def test_score_on_a_ray_of_its_own(tiny, tmp_path):
    source = tmp_path / "in.jsonl"
    rows = [{"review": line} for line in (tiny / "build/tiny/reviews/heldout.txt").read_text().splitlines()]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    make(tiny, "score", TINY, f"INPUT={source}", f"OUTPUT={tmp_path}/local.parquet")
    printed = make(tiny, "score", TINY, f"INPUT={source}", f"OUTPUT={tmp_path}/ray.parquet", "ENGINE=ray")
    assert f"ray.parquet: scored {len(rows)} rows, 1 bad row skipped" in printed
    for name in ("parquet", "parquet.errors"):
        assert (tmp_path / f"ray.{name}").read_bytes() == (tmp_path / f"local.{name}").read_bytes()
