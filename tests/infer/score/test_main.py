"""python -m infer score: what it takes, and one clear line for what it cannot do."""

import os
import signal
import subprocess
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modules import ROOT, fails, run
from scoring import command, read, refused, score, write
from small import mounted

from infer.text.tokenizer import WINDOW


@pytest.mark.process
def test_ray_where_it_is_not_is_one_line(classifier, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"review": "good"}\n')
    line = fails(*command(classifier, "--engine", "ray", tmp_path / "in.jsonl", tmp_path / "out.jsonl")[1:])
    assert line == "ray is not in this environment: score on Ray with .tox/ray/bin/python"


def test_an_output_that_is_a_link_is_what_it_points_to(classifier, tmp_path):
    source = write(tmp_path / "in.csv", [{"review": "good"}])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.csv").symlink_to("elsewhere/out.csv")
    score(classifier, source, tmp_path / "link.csv")
    assert len(read(tmp_path / "elsewhere/out.csv")) == 1 and (tmp_path / "link.csv").is_symlink()


def test_what_cannot_be_done_is_one_clear_line(classifier, tmp_path):
    source, output = write(tmp_path / "in.csv", [{"review": "good"}]), tmp_path / "out.csv"

    def line(*arguments):
        return refused(classifier, *arguments)

    known = (
        "choose one of .csv, .tsv, .jsonl, .ndjson, .json, .parquet, .txt, or any but .parquet with .gz or .bz2 or .zst"
    )
    known += " after it"
    assert line(source, tmp_path / "out.xlsx").endswith(f"out.xlsx: unknown extension '.xlsx': {known}")
    assert line(tmp_path / "in", output).endswith(known)
    assert line(tmp_path / "nowhere.csv", output).endswith("nowhere.csv: no such file")
    assert line(source, tmp_path / "." / "in.csv").endswith("is the input: give the output another name")
    os.link(source, tmp_path / "same.csv")
    assert "is the input" in line(source, tmp_path / "same.csv")
    assert "no/such: cannot write to this folder" in line(source, tmp_path / "no/such/out.csv")
    assert "in.csv: cannot write to this folder: Not a directory" in line(source, source / "out.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in line(source, tmp_path / "folder.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is a folder or a device" in line(source, tmp_path / "pipe.csv")
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    assert "circle.csv: a link that leads to itself" in line(source, tmp_path / "circle.csv")
    assert line(tmp_path / "circle.csv", output).endswith("circle.csv: no such file")
    assert line(source, output, "-d", "NPU.7").endswith("the devices here are CPU")
    for content, message in (
        ("", "line 1: nothing in it"),
        ("a,a\n", "two columns are named 'a'"),
        (
            "review;n\ngood,1\n",
            "one column, 'review;n': are there ';' for ','? Mend that, or say --delimiter semicolon",
        ),
        ("review\tn\ngood\n", "one column, 'review\\tn': are there '\\t' for ','?"),
        (",".join(f"c{i}" for i in range(1000)) + "\n", "c18, c19, …"),
        ('"a\nb","\x1b[2J"\n', "there are 'a\\nb', '\\x1b[2J'"),
    ):
        (tmp_path / "wrong.csv").write_text(content)
        assert message in line(tmp_path / "wrong.csv", output)
    (tmp_path / "wrong.parquet").write_text("PAR1")
    assert "wrong.parquet: not a whole .parquet file" in line(tmp_path / "wrong.parquet", output)
    pq.write_table(pa.table({"review": ["good"]}), tmp_path / "wrong.parquet")
    (tmp_path / "wrong.parquet").write_bytes((tmp_path / "wrong.parquet").read_bytes().replace(b"review", b"r\xffview"))
    assert "wrong.parquet: not a whole .parquet file: 'utf-8' codec" in line(tmp_path / "wrong.parquet", output)
    pq.write_table(pa.table({"review": ["good"], "list": [["element"]]}), tmp_path / "name.parquet")
    renamed = (tmp_path / "name.parquet").read_bytes().replace(b"element", b"ele\xd1ent")
    (tmp_path / "name.parquet").write_bytes(renamed)
    assert "name.parquet: not a whole .parquet file: 'utf-8' codec" in line(tmp_path / "name.parquet", output)
    (tmp_path / "keys.jsonl").write_text("".join(f'{{"review": "good", "{i}": 1}}\n' for i in range(10_000)))
    assert "keys.jsonl: 10001 different keys, too many" in line(tmp_path / "keys.jsonl", output)
    pq.write_table(pa.table({"review": [1]}), tmp_path / "ints.parquet")
    assert "column 'review' is int64, not text" in line(tmp_path / "ints.parquet", output)
    assert not output.exists() and not (tmp_path / "out.csv.parts").exists()


@pytest.mark.process
def test_what_is_no_classifier_is_one_clear_line(classifier, tmp_path):
    source, broken = write(tmp_path / "in.csv", [{"review": "good"}]), tmp_path / "broken.xml"
    broken.write_bytes(classifier.read_bytes()[:-200])
    broken.with_suffix(".bin").touch()
    for model, message in (
        (source, "in.csv: not a classifier: make it with `make classifier`"),
        (broken, "broken.xml: not a classifier, or broken"),
        (tmp_path / "no.xml", "no.xml: no such file: make it"),
    ):
        assert message in fails("-m", "infer", "score", "-m", model, source, tmp_path / "out.csv")
    assert "python -m infer score" in run("-m", "infer", "--help").stdout


@pytest.mark.process
def test_an_interrupt_ends_it_with_one_line(classifier, tmp_path, capsys):
    rows = [{"n": str(i), "review": "good film"} for i in range(20 * WINDOW)]
    source, output = write(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    with subprocess.Popen(
        command(classifier, source, output),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while process.poll() is None and not (tmp_path / "out.csv.parts/00000000.csv").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "interrupted: run it again to go on\n"
    assert process.returncode == 130 and not output.exists()
    score(classifier, source, output)
    assert f"of {20 * WINDOW} rows" in capsys.readouterr().err
    assert [row["n"] for row in read(output)] == [row["n"] for row in rows]


@pytest.mark.process
def test_a_folder_that_cannot_be_written_to(classifier, many, tmp_path):
    with mounted(tmp_path / "disk", "-o", "ro") as disk:
        line = refused(classifier, many[0], disk / "out.csv")
        assert line == f"{disk}: cannot write to this folder: Read-only file system"
