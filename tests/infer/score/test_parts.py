"""However often a run is killed, and wherever the disk is full: the very same file in the end."""

import csv
import signal
import subprocess
import sys
import time

import pytest
from modules import ROOT, run
from scoring import KILLER, MANY, command, read, refused, score
from small import mounted

import infer.score.run
from infer.score.parts import claim, locked, remove, save
from infer.text.tokenizer import WINDOW


@pytest.mark.process
@pytest.mark.parametrize(
    "name, count, when, done",
    [
        ("replace", 1, "before", 0),  # the manifest
        ("fsync", 3, "before", WINDOW),  # the second part, written
        ("replace", 3, "after", 2 * WINDOW),  # and named
        ("replace", 5, "before", MANY),  # the parts joined, under another name
        ("replace", 6, "before", MANY),  # the output's own
        ("replace", 6, "after", MANY),
        ("unlink", 2, "after", None),  # its parts removed, but for one
        ("rmdir", 1, "before", 0),
    ],
)
def test_killed_at_any_moment_it_goes_on_to_the_very_same_file(
    classifier, many, name, count, when, done, tmp_path, capsys
):
    source, undisturbed = many
    output = tmp_path / "out.csv"
    killed = run("-c", KILLER, name, count, when, "-m", classifier, source, output)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not output.exists() or output.read_bytes() == undisturbed
    score(classifier, source, output)
    stderr = capsys.readouterr().err
    assert done is None or (f"going on after {done} of {MANY} rows" in stderr) == (done > 0)
    assert output.read_bytes() == undisturbed
    assert list(tmp_path.iterdir()) == [output]


def test_given_up_after_every_window_it_goes_on_to_the_very_same_file(classifier, many, tmp_path, monkeypatch, capsys):
    source, undisturbed = many
    output, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"

    def save_and_exit(path, write):
        save(path, write)
        if path.stem.isdecimal():
            sys.exit("enough")

    monkeypatch.setattr(infer.score.run, "save", save_and_exit)
    for window in range(-(-MANY // WINDOW)):
        assert refused(classifier, source, output) == "enough"
        assert len(list(parts.glob("*.csv"))) == window + 1
    score(classifier, source, output)
    assert f"going on after {MANY} of {MANY} rows" in capsys.readouterr().err
    assert output.read_bytes() == undisturbed


@pytest.mark.process
def test_killed_again_and_again_it_ends_with_every_row_once(classifier, many, tmp_path):
    output = tmp_path / "out.parquet"
    kills = 0
    while not output.exists():
        process = subprocess.Popen(command(classifier, many[0], output), cwd=ROOT, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (tmp_path / f"out.parquet.parts/{kills:08}.parquet").exists():
            time.sleep(0.001)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        assert kills < 10
    assert kills > 0
    expected = [{name: row[name] for name in ("n", "label")} for row in csv.DictReader(many[1].decode().splitlines())]
    assert [{name: row[name] for name in ("n", "label")} for row in read(output)] == expected


@pytest.mark.process
def test_parts_of_something_else_are_not_gone_on_from(classifier, many, tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(many[0].read_bytes())
    output, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    run("-c", KILLER, "replace", 2, "after", "-m", classifier, source, output)
    before = sorted(parts.iterdir())
    line = refused(classifier, source, output, "--text_column=n", "--hint=latency", "--long=windows")
    assert line.startswith(f"{parts}: begun with another text_column, another hint, another long: give the same again")
    source.write_bytes(many[0].read_bytes() + b"0,good\n")
    assert "begun with another input: " in refused(classifier, source, output)
    assert sorted(parts.iterdir()) == before and not output.exists()
    (parts / "manifest.txt").unlink()
    assert "not begun by this command" in refused(classifier, source, output)


def test_two_runs_do_not_write_one_file(classifier, many, tmp_path):
    output, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    with locked(parts):
        assert f"{parts}: another run is at work on it" in refused(classifier, many[0], output)
    score(classifier, many[0], output)
    assert output.read_bytes() == many[1]


# Room for some parts of it, or for all of them but not for the output too.
@pytest.mark.process
@pytest.mark.parametrize("to, share", [(".csv", 0.6), (".csv", 1.5), (".csv.gz", 1.1), (".parquet", 0.3)])
def test_a_full_disk_is_one_line_and_room_lets_it_go_on(classifier, many, to, share, tmp_path, capsys):
    with mounted(tmp_path / "disk", "-o", f"size={int(share * len(many[1]))}") as disk:
        output = disk / f"out{to}"
        line = refused(classifier, many[0], output)
        assert "No space left on device: mend that, e.g. make room, and run it again to go on" in line
        assert not output.exists() and not list(disk.glob("*/*.part"))
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        score(classifier, many[0], output)
        assert "going on after" in capsys.readouterr().err
        assert [row["n"] for row in read(output)] == [str(i) for i in range(MANY)]


def test_a_folder_that_cannot_be_removed_keeps_its_manifest(tmp_path):
    for name in ("manifest.txt", "0-0-0.jsonl", "z"):
        (tmp_path / name).touch()
    (tmp_path / "m").mkdir()  # which unlink does not remove
    with pytest.raises(OSError):
        remove(tmp_path)
    assert (tmp_path / "manifest.txt").exists()
    (tmp_path / "m").rmdir()
    remove(tmp_path)
    assert not tmp_path.exists()


def test_a_manifest_that_was_cut_is_begun_again_and_one_of_nobody_is_not(tmp_path):
    (tmp_path / "manifest.txt.part").write_text("cut")
    claim(tmp_path, {"input": "a"})
    assert (tmp_path / "manifest.txt").read_text() == "input: a\n"
    claim(tmp_path, {"input": "a"})
    with pytest.raises(SystemExit, match="begun with another input: give the same again"):
        claim(tmp_path, {"input": "b"})
    (tmp_path / "manifest.txt").rename(tmp_path / "mine.txt")
    with pytest.raises(SystemExit, match="not begun by this command, yet not empty: move it away"):
        claim(tmp_path, {"input": "a"})


def test_what_cannot_be_saved_is_one_clear_line(tmp_path):
    with pytest.raises(SystemExit, match="nowhere/1: No such file or directory: mend that"):
        save(tmp_path / "nowhere/1", lambda file: None)

    def fill(file):
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(SystemExit, match="1: No space left on device: mend that, e.g. make room"):
        save(tmp_path / "1", fill)
    assert not any(tmp_path.iterdir())
