"""A file of reviews scored: every format to every other, whatever is in it, however often the run is killed."""

import contextlib
import csv
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modules import ROOT, fails, run
from small import LENGTH, WORDS, mounted

import infer.score.rows
import infer.score.run
from infer import Classifier
from infer.classifier import WINDOW
from infer.score.__main__ import main
from infer.score.parts import locked
from infer.score.reading import SUFFIXES

ADDED = ["label", "p_negative", "p_positive"]
AWKWARD = [
    "",
    ' "good" film',
    "good,\tbad",
    "a film\nof beauty",
    "a\r\nb",
    "a\rb",
    "\0 good",
    "ça 这 \U0001f600",
    "\ufeff",
]
MANY = 2 * WINDOW + 500


def texts(count):
    random = np.random.default_rng(4)
    return [" ".join(random.choice(WORDS, random.integers(1, LENGTH))) for _ in range(count)]


def write(path, rows):
    """Writes a list of dicts of str in the format of the path's extension, by other means than infer.score."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".txt":
        path.write_bytes("".join(row["review"] + "\n" for row in rows).encode())
    else:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), dialect="excel" if path.suffix == ".csv" else "excel-tab")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path):
    """Reads a scored file as a list of dicts, probabilities as float."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    elif path.suffix == ".txt":
        rows = [dict(zip(ADDED, line.split("\t"), strict=True)) for line in path.read_text().splitlines()]
    else:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, dialect="excel" if path.suffix == ".csv" else "excel-tab"))
    return [row | {name: float(row[name]) for name in ADDED[1:]} for row in rows]


def score(classifier, *arguments):
    """Runs the command in this process, and gives SIGINT back its handler."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        main(["-m", str(classifier), *map(str, arguments)])
    finally:
        signal.signal(signal.SIGINT, handler)


def refused(classifier, *arguments):
    """Returns the one line that the command must end with."""
    with pytest.raises(SystemExit) as ended:
        score(classifier, *arguments)
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code
    return ended.value.code


def command(classifier, *arguments):
    return [sys.executable, "-m", "infer", "score", "-m", str(classifier), *map(str, arguments)]


@pytest.fixture(scope="module")
def many(classifier, tmp_path_factory):
    """A file of some windows, and what an undisturbed run makes of it."""
    folder = tmp_path_factory.mktemp("many")
    source = write(folder / "many.csv", [{"n": str(i), "review": text} for i, text in enumerate(texts(MANY))])
    score(classifier, source, folder / "undisturbed.csv")
    return source, (folder / "undisturbed.csv").read_bytes()


@pytest.mark.parametrize("to", SUFFIXES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_to_every_other(classifier, suffix, to, tmp_path, capsys):
    reviews = [text for text in AWKWARD if suffix != ".txt" or "\n" not in text] + texts(40)
    rows = [{"id": f"00{i}", "review": text, "of, \"it\"": f"x\t{i}"} for i, text in enumerate(reviews)]  # fmt: skip
    source, output = write(tmp_path / f"in{suffix}", rows), tmp_path / f"out{to}"
    score(classifier, source, output)
    assert capsys.readouterr() == (f"{output}: scored {len(rows)} rows, 0 bad rows skipped\n", "")
    got = read(output)
    kept = [] if to == ".txt" else ["review"] if suffix == ".txt" else list(rows[0])
    assert [list(row) for row in got] == [kept + ADDED] * len(rows)
    assert [[row[name] for name in kept] for row in got] == [[row[name] for name in kept] for row in rows]
    model = Classifier(classifier)
    expected = np.array(list(model.predict(reviews)))
    np.testing.assert_array_equal(np.float32([[row[name] for name in ADDED[1:]] for row in got]), expected)
    assert [row["label"] for row in got] == [model.labels[i] for i in expected.argmax(1)]
    assert {path.name for path in tmp_path.iterdir()} == {source.name, output.name}


def test_many_rows_keep_their_order_and_are_those_of_predict(classifier, many):
    rows = list(csv.DictReader(many[1].decode().splitlines()))
    assert [row["n"] for row in rows] == [str(i) for i in range(MANY)]
    expected = np.array(list(Classifier(classifier).predict(texts(MANY))))
    np.testing.assert_array_equal(np.float32([[row[name] for name in ADDED[1:]] for row in rows]), expected)


def test_types_are_kept(classifier, tmp_path):
    table = pa.table(
        {
            "review": pa.array(["good", "bad", "film"]).dictionary_encode(),
            "when": pa.array([1, 2**60 + 1, None], pa.timestamp("ns", "UTC")),
            "tags": [["a"], [], None],
            "n": pa.array([1, None, 3], pa.int8()),
            "x": [0.1, float("nan"), None],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    for suffix in (".parquet", ".jsonl", ".csv"):
        score(classifier, tmp_path / "in.parquet", tmp_path / f"out{suffix}")
    got = pq.read_table(tmp_path / "out.parquet")
    kept, table = got.drop_columns(ADDED), pq.read_table(tmp_path / "in.parquet")
    assert kept.schema.equals(table.schema) and str(kept["x"]) == str(table["x"])
    assert kept.drop_columns("x").equals(table.drop_columns("x"))
    assert got.schema.types[-3:] == [pa.string(), pa.float32(), pa.float32()]
    first, second, third = read(tmp_path / "out.jsonl")
    assert first["when"] == "1970-01-01 00:00:00.000000001Z"
    assert (second["x"], third["x"]) == (None, None) and (first["tags"], third["tags"]) == (["a"], None)
    first, second, third = read(tmp_path / "out.csv")
    assert (first["tags"], first["n"], second["n"], first["x"]) == ('["a"]', "1", "", "0.1")


def test_json_of_any_shape(classifier, tmp_path):
    rows = [
        {"review": "good", "n": 1, "x": 1, "id": 2**60, "mixed": "1", "nested": {"ü": [1]}, "yes": True},
        {"n": None, "review": "bad", "x": 0.5, "id": 3, "mixed": 1, "late": None},
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("\ufeff\n" + "".join(json.dumps(row) + "\r\n" for row in rows))
    for suffix in (".jsonl", ".parquet", ".csv"):
        score(classifier, source, tmp_path / f"out{suffix}")
    got = read(tmp_path / "out.jsonl")
    assert [{name: row[name] for name in row if name not in ADDED} for row in got] == rows
    assert [list(row)[:-3] for row in got] == [list(row) for row in rows]
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["n"].to_pylist() == [1, None] and table["id"].to_pylist() == [2**60, 3]
    assert table["x"].to_pylist() == [1.0, 0.5] and table["mixed"].to_pylist() == ["1", "1"]
    assert table["nested"].to_pylist() == ['{"ü": [1]}', None] and table["yes"].to_pylist() == [True, None]
    first, second = read(tmp_path / "out.csv")
    assert list(first) == ["review", "n", "x", "id", "mixed", "nested", "yes", "late", *ADDED]
    assert first["yes"] == "true" and second["yes"] == second["late"] == ""


BAD = {
    ".csv": (
        b'\xef\xbb\xbfn,review\r\n1,"good\nfilm"\r\n2,bad,plot\r\n\r\n3,\xff\r\n4,"a ""b"" c"\n'
        b'5,"open\n6,"a" b\n7,good\rbad\n8\n9,dull\n9,"a\n\xff\nb,c"\n10,"never closed\n11,fine',
        ["line 4: 3 fields, not 2", "line 6: not UTF-8", "line 8: ',' expected after '\"'"]
        + ["line 9: ',' expected after '\"'", "line 10: new-line character seen in unquoted field"]
        + ["line 11: 1 fields, not 2", "line 13: not UTF-8", "line 16: a quote that is never closed"],
        ["good\nfilm", 'a "b" c', "dull", "fine"],
    ),
    ".tsv": (b"review\tn\ngood\t1\nbad 2\nfilm\t3\n", ["line 3: 1 fields, not 2"], ["good", "film"]),
    ".jsonl": (
        b'{"review": "good"}\n\n{"review": }\n{"review": null}\n{"text": 1}\n["review"]\n{"review": "\xff"}\n'
        b'{"review": "\\ud800"}\n{"review": "a", "x": NaN}\n{"review": 5}\n' + b"[" * 100_000 + b"\n"
        b'{"review": "good", "x": ' + b'[{"y": ' * 60 + b"1" + b"}]" * 60 + b'}\n{"review": "a", "review": "b"}\n'
        b'{"review": "plot"}',
        ["line 3: broken JSON: Expecting value at column 12", "line 4: review is NoneType, not text"]
        + ["line 5: no review", "line 6: no JSON object", "line 7: not UTF-8", "line 8: not Unicode: half a"]
        + ["line 9: a number that is NaN or infinite: NaN", "line 10: review is int, not text"]
        + ["line 11: nested deeper than 100", "line 12: nested deeper than 100", "line 13: a key that comes twice"],
        ["good", "plot"],
    ),
    ".txt": (b"good\n\xe9\n\nplot\r\n", ["line 2: not UTF-8"], ["good", "", "plot"]),
}


@pytest.mark.parametrize("suffix", BAD)
def test_bad_rows_are_named_by_their_line_counted_and_skipped(classifier, suffix, tmp_path, capsys):
    content, problems, good = BAD[suffix]
    source, output = tmp_path / f"in{suffix}", tmp_path / "out.jsonl"
    source.write_bytes(content)
    score(classifier, source, output)
    stdout, stderr = capsys.readouterr()
    for line, problem in zip(stderr.splitlines(), problems, strict=True):
        assert line.startswith(f"{source}: {problem}") and line.endswith(": skipped")
    errors = tmp_path / "out.jsonl.errors"
    assert f"scored {len(good)} rows, {len(problems)} bad row" in stdout and stdout.endswith(f" listed in {errors}\n")
    assert [row["review"] for row in read(output)] == good
    listed = "".join(f"{source}: {line}: skipped\n" for line in errors.read_text().splitlines())
    assert listed == stderr
    output.unlink()
    errors.unlink()
    line = refused(classifier, source, output, "--strict")
    assert line.startswith(f"{source}: {problems[0]}") and line.endswith("leave out --strict to skip it")
    assert list(tmp_path.iterdir()) == [source]


def test_bad_rows_of_a_parquet_are_named_by_their_number(classifier, tmp_path, capsys):
    data = pa.array(["good", "b?d", None, "plot"])
    broken = pa.py_buffer(data.buffers()[2].to_pybytes().replace(b"?", b"\xff"))
    table = pa.table(
        {"review": pa.Array.from_buffers(pa.string(), 4, [*data.buffers()[:2], broken]), "n": [1, 2, 3, 4]}
    )
    pq.write_table(table, tmp_path / "in.parquet")
    score(classifier, tmp_path / "in.parquet", tmp_path / "out.csv")
    stdout, stderr = capsys.readouterr()
    assert [line.split(": ", 1)[1] for line in stderr.splitlines()] == [
        "row 2: not UTF-8: skipped",
        "row 3: review is null: skipped",
    ]
    assert "scored 2 rows, 2 bad rows skipped" in stdout
    assert [row["n"] for row in read(tmp_path / "out.csv")] == ["1", "4"]


def test_quotes_that_are_never_closed_do_not_take_for_ever(classifier, tmp_path, capsys, monkeypatch):
    """Each of these lines opens a quote, and closes and opens one if it stands in one."""
    monkeypatch.setattr(infer.score.rows, "MAX_READ_AGAIN", 100_000)
    source = tmp_path / "in.csv"
    source.write_text("n,review\n1,good\n" + 'a","\n' * 1000 + "2,bad\n")
    score(classifier, source, tmp_path / "out.csv")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{source}: line 3: a quote that is never closed: skipped"
    assert lines[-1].endswith("a quote that is never closed, up to line 1003: skipped") and len(lines) < 10
    assert [row["n"] for row in read(tmp_path / "out.csv")] == ["1"]


def test_only_the_first_bad_rows_are_listed(classifier, tmp_path, capsys):
    (tmp_path / "in.jsonl").write_text('{"review": "good"}\n' + "{\n" * 5000)
    score(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    stdout, stderr = capsys.readouterr()
    assert len(stderr.splitlines()) == 21 and stderr.endswith("in.jsonl: and 4980 more bad rows: skipped\n")
    assert "scored 1 rows, 5000 bad rows skipped" in stdout
    listed = (tmp_path / "out.jsonl.errors").read_text().splitlines()
    assert [int(line.split()[1].strip(":")) for line in listed] == list(range(2, 5002)), "all of them, in the file"


def test_ray_where_it_is_not_is_one_line(classifier, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"review": "good"}\n')
    line = fails(*command(classifier, "--engine", "ray", tmp_path / "in.jsonl", tmp_path / "out.jsonl")[1:])
    assert line == "ray is not in this environment: score on Ray with .tox/ray/bin/python"


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


def test_no_room_for_the_list_of_bad_rows_is_one_line(classifier, tmp_path):
    source = tmp_path / "in.txt"
    source.write_bytes(b"good\n" + b"\xff\n" * 20_000)
    with mounted(tmp_path / "disk", "-o", "size=64k") as disk:
        line = refused(classifier, source, disk / "out.csv")
        assert line == f"{source}: cannot list its bad rows: No space left on device: mend that, e.g. make room"
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("to", SUFFIXES)
def test_no_rows_make_a_file_of_no_rows(classifier, to, tmp_path, capsys):
    output = tmp_path / f"out{to}"
    (tmp_path / "in.csv").write_text("n,review\n")
    (tmp_path / "in.jsonl").write_text("")
    for source, columns in (("in.csv", ["n", "review"]), ("in.jsonl", ["review"])):
        score(classifier, tmp_path / source, output)
        assert "scored 0 rows" in capsys.readouterr().out
        if to == ".parquet":
            assert pq.read_schema(output).names == columns + ADDED
        else:
            header = {".csv": ",", ".tsv": "\t"}.get(to, "").join(columns + ADDED) + "\n"
            assert output.read_text() == (header if to in (".csv", ".tsv") else "")


def test_the_text_column(classifier, tmp_path):
    source, output = write(tmp_path / "in.csv", [{"a": "good", "b": "bad"}]), tmp_path / "out.csv"
    line = refused(classifier, source, output)
    assert line.endswith(
        "in.csv: no column 'review': name the text with --text_column (make: TEXT_COLUMN=): there are a, b"
    )
    assert "no column 'c'" in refused(classifier, source, output, "--text_column=c")
    score(classifier, source, output, "--text_column=b")
    only = write(tmp_path / "only.csv", [{"a": "bad"}])
    score(classifier, only, tmp_path / "only_out.csv")
    assert read(output)[0]["p_negative"] == read(tmp_path / "only_out.csv")[0]["p_negative"]
    assert "no column 'review'" in refused(classifier, only, output, "--text_column=review")
    (tmp_path / "late.jsonl").write_text('{"a": "bad"}\n' * (WINDOW + 1) + '{"a": "x", "review": "good"}\n')
    assert "some rows have 'review'" in refused(classifier, tmp_path / "late.jsonl", output)


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

    known = "choose one of .csv, .tsv, .jsonl, .parquet, .txt"
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
        ("review,label\n", "has a column 'label' already: rename it, or write a .txt"),
        ("review,p_positive\n", "has a column 'p_positive' already"),
        ("review;n\ngood;1\n", "one column, 'review;n': are there ';' for ','? Mend that, or name the column"),
        ("review\tn\ngood\t1\n", "one column, 'review\\tn': are there '\\t' for ','?"),
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


FAR = pa.array([2**62], pa.timestamp("us"))


@pytest.mark.parametrize(
    "values",
    [[b"\xff"], [[b"a"]], [{"x": float("nan")}], FAR, pa.ListArray.from_arrays([0, 1], FAR)],
    ids=["bytes", "nested bytes", "nested NaN", "far date", "nested far date"],
)
def test_a_value_that_the_format_cannot_hold(classifier, values, tmp_path):
    pq.write_table(pa.table({"review": ["good"], "value": values}), tmp_path / "in.parquet")
    line = refused(classifier, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert "in.parquet: a value that .csv cannot hold" in line and line.endswith("write a .parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]
    score(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet")
    got, expected = (pq.read_table(tmp_path / f"{name}.parquet")["value"] for name in ("out", "in"))
    assert str(got) == str(expected)


# Kills itself with SIGKILL at the n-th call of a function of os, before or after it is done.
KILLER = """
import os, signal, sys
from infer.score.__main__ import main
name, count, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
real, calls = getattr(os, name), 0
def killing(*arguments, **options):
    global calls
    calls += 1
    if calls == count and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = real(*arguments, **options)
    if calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
setattr(os, name, killing)
main(sys.argv[4:])
"""


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


def test_parts_of_something_else_are_not_gone_on_from(classifier, many, tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(many[0].read_bytes())
    output, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    run("-c", KILLER, "replace", 2, "after", "-m", classifier, source, output)
    before = sorted(parts.iterdir())
    line = refused(classifier, source, output, "--text_column=n", "--hint=latency")
    assert line.startswith(f"{parts}: begun with another text_column, another hint: give the same again")
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


# Room for some parts of it, or for all of them but not for the output too.
@pytest.mark.parametrize("to, share", [(".csv", 0.6), (".csv", 1.5), (".parquet", 0.3)])
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


def test_a_folder_that_cannot_be_written_to(classifier, many, tmp_path):
    with mounted(tmp_path / "disk", "-o", "ro") as disk:
        line = refused(classifier, many[0], disk / "out.csv")
        assert line == f"{disk}: cannot write to this folder: Read-only file system"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_review_of_ten_million_characters(classifier, suffix, tmp_path):
    review = "good film, " * 910_000
    rows = [{"review": "bad"}, {"review": review}, {"review": "a plot"}]
    score(classifier, write(tmp_path / f"in{suffix}", rows), tmp_path / "out.txt")
    expected = np.array(list(Classifier(classifier).predict(["bad", review[:1000], "a plot"])))
    got = [[row[name] for name in ADDED[1:]] for row in read(tmp_path / "out.txt")]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_line_that_does_not_end_is_one_bad_row(classifier, tmp_path, capsys):
    (tmp_path / "in.txt").write_bytes(b"good\n" + b"a" * 100_000_000 + b"\nbad\n")
    score(classifier, tmp_path / "in.txt", tmp_path / "out.txt")
    assert "in.txt: line 2: longer than 33554432 bytes: skipped" in capsys.readouterr().err
    assert len(read(tmp_path / "out.txt")) == 2


def test_texts_that_are_small_only_in_the_file_fill_no_memory(classifier, tmp_path):
    """A row group that says its rows are short: 1500 times one long text, kept once, among many short ones."""
    reviews = ["good film " * 100_000] * 1500 + ["bad"] * 100_000
    pq.write_table(
        pa.table({"review": pa.array(reviews).dictionary_encode()}).cast(pa.schema([("review", pa.large_string())])),
        tmp_path / "in.parquet",
    )
    assert (tmp_path / "in.parquet").stat().st_size < 2**22
    done = run("-c", PEAK, *command(classifier, tmp_path / "in.parquet", tmp_path / "out.txt"))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < 2**20, "KiB"


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


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
