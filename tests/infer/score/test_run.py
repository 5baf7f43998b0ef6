"""A file of reviews scored: its rows in their order, its bad rows listed, its input what it was."""

import contextlib
import csv
import os
import pty
import subprocess
import termios

import numpy as np
import pytest
from modules import ROOT, run
from scoring import ADDED, MANY, PEAK, command, read, refused, score, texts, write
from small import LENGTH, WORDS, mounted, random_texts

import infer.score.run
from infer import Classifier
from infer.text.files import sha256_of
from infer.text.long import ADVICE_TOO, LONG, say


def test_many_rows_keep_their_order_and_are_those_of_predict(classifier, many):
    rows = list(csv.DictReader(many[1].decode().splitlines()))
    assert [row["n"] for row in rows] == [str(i) for i in range(MANY)]
    expected = np.array(list(Classifier(classifier).predict(texts(MANY))))
    np.testing.assert_array_equal(np.float32([[row[name] for name in ADDED[1:]] for row in rows]), expected)


def test_long_texts_are_scored_as_asked_and_that_is_said_beforehand(classifier, tmp_path, capsys, monkeypatch):
    found, answers = random_texts(300), {}
    source = write(tmp_path / "in.csv", [{"review": text} for text in found])
    predict = Classifier.predict_window

    def said_before(self, texts):
        answers["said"] = capsys.readouterr().err
        return predict(self, texts)

    for long in LONG:
        with monkeypatch.context() as patched:
            patched.setattr(Classifier, "predict_window", said_before)
            score(classifier, source, tmp_path / "out.csv", "--long", long)
        model = Classifier(classifier, long=long)
        say(str(source), model.count(found), LENGTH - 2, long, ADVICE_TOO)
        assert answers["said"] == capsys.readouterr().err != ""
        answers[long] = [[row[name] for name in ADDED[1:]] for row in read(tmp_path / "out.csv")]
        np.testing.assert_array_equal(np.float32(answers[long]), model.predict_window(found))
    assert answers["cut"] != answers["head_tail"] != answers["windows"] != answers["cut"]


def test_a_file_has_changed_if_its_bytes_have(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("review\ngood\n")
    before, sha256 = path.stat(), sha256_of(path)
    assert not infer.score.run.has_changed(path, before, sha256)
    os.utime(path, ns=(0, 0))
    assert not infer.score.run.has_changed(path, before, sha256), "touched, or copied over itself"
    for changed in ("review\nevil\n", "review\ngood\nfilm\n"):
        path.write_text(changed)
        for time in (0, 2**60):
            os.utime(path, ns=(time, time))
            assert infer.score.run.has_changed(path, before, sha256)


def test_only_the_first_bad_rows_are_listed(classifier, tmp_path, capsys):
    (tmp_path / "in.jsonl").write_text('{"review": "good"}\n' + "{\n" * 5000)
    score(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    stdout, stderr = capsys.readouterr()
    assert len(stderr.splitlines()) == 21 and stderr.endswith("in.jsonl: and 4980 more bad rows: skipped\n")
    assert "scored 1 rows, 5000 bad rows skipped" in stdout
    listed = (tmp_path / "out.jsonl.errors").read_text().splitlines()
    assert [int(line.split()[1].strip(":")) for line in listed] == list(range(2, 5002)), "all of them, in the file"


def test_the_list_of_bad_rows_goes_with_the_output(classifier, tmp_path):
    source, output, errors = tmp_path / "in.txt", tmp_path / "out.csv", tmp_path / "out.csv.errors"
    source.write_bytes(b"good\n\xff\nbad\n")
    score(classifier, source, output)
    assert errors.read_text() == "line 2: not UTF-8\n"
    source.write_bytes(b"\xe9\ngood\n")
    assert "not UTF-8" in refused(classifier, source, output, "--strict")
    assert errors.read_text() == "line 2: not UTF-8\n" and len(read(output)) == 2, "as they were"
    score(classifier, source, output)
    assert errors.read_text() == "line 1: not UTF-8\n" and len(read(output)) == 1
    source.write_bytes(b"good\n")
    score(classifier, source, output)
    assert sorted(tmp_path.iterdir()) == [source, output], "no bad rows, no list"
    errors.mkdir()
    assert "out.csv.errors: is a folder" in refused(classifier, source, output)


@pytest.mark.process
def test_no_room_for_the_list_of_bad_rows_is_one_line(classifier, tmp_path):
    source = tmp_path / "in.txt"
    source.write_bytes(b"good\n" + b"\xff\n" * 20_000)
    with mounted(tmp_path / "disk", "-o", "size=64k") as disk:
        line = refused(classifier, source, disk / "out.csv")
        assert line == f"{source}: cannot list its bad rows: No space left on device: mend that, e.g. make room"
        assert list(disk.iterdir()) == []


def test_an_input_that_changes_meanwhile_is_no_right_answer(classifier, many, tmp_path, monkeypatch):
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(many[0].read_bytes())
    predict = Classifier.predict_window

    def growing(self, texts):
        with open(source, "a") as file:
            file.write("0,good\n")
        return predict(self, texts)

    monkeypatch.setattr(Classifier, "predict_window", growing)
    assert "in.csv: has changed while it was scored" in refused(classifier, source, output)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.more
@pytest.mark.process
def test_memory_does_not_grow_with_the_rows(classifier, tmp_path):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    with open(source, "w") as file:
        for i in range(200_000):
            file.write(f'{{"n": {i}, "review": "a {WORDS[i % len(WORDS)]} film {i}"}}\n')
    # A process's peak counts that of the one that started it, so a small one has to.
    done = run("-c", PEAK, *command(classifier, source, output))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < 2**20, "KiB"
    with open(output) as file:
        assert sum(1 for _ in file) == 200_001


@pytest.mark.process
def test_progress_at_a_terminal(classifier, many, tmp_path):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    process = subprocess.Popen(command(classifier, many[0], tmp_path / "out.csv"), cwd=ROOT, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while piece := os.read(ours, 1024):
            shown += piece
    assert process.wait() == 0
    assert b"check: " in shown and f"{MANY}/{MANY} [".encode() in shown and b"row/s]" in shown


def test_an_input_replaced_while_it_is_checked_is_no_right_answer(classifier, many, tmp_path, monkeypatch):
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(many[0].read_bytes())
    checked = infer.score.run.check

    def replaced(*arguments):
        result = checked(*arguments)
        source.write_bytes(many[0].read_bytes() + b"0,good\n")
        return result

    monkeypatch.setattr(infer.score.run, "check", replaced)
    assert "in.csv: has changed while it was scored" in refused(classifier, source, output)
    assert not output.exists()


def test_a_value_that_fits_no_more_is_told_as_a_changed_input_and_one_that_never_did_as_a_bug(
    classifier, tmp_path, monkeypatch
):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text('{"review": "good", "n": 1}\n')
    checked = infer.score.run.check

    def replaced(*arguments):
        result = checked(*arguments)
        source.write_text('{"review": "good", "n": "one"}\n')
        return result

    with monkeypatch.context() as patched:
        patched.setattr(infer.score.run, "check", replaced)
        assert "in.jsonl: has changed while it was scored" in refused(classifier, source, output)
    monkeypatch.setattr("infer.score.run.score_window", lambda *arguments: (_ for _ in ()).throw(ValueError("ours")))
    with pytest.raises(ValueError, match="ours"):
        score(classifier, source, output)
    assert not output.exists()
