"""Whatever a file of reviews holds, each of its lines is a row or is reported, and nothing else happens."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import assume, example, given, settings, st
from modules import run
from scoring import ADDED, PEAK, command, read, refused, score, write

from infer import Classifier
from infer.score.files import SUFFIXES
from infer.score.reading import Options, open_source
from infer.text.encoding import find_wide
from infer.text.tokenizer import WINDOW


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


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".csv", ".txt"])
@pytest.mark.parametrize("limit, most, few", [("WINDOW", 50, 8), ("MAX_WINDOW", 200, 60)])
def test_windows_are_bounded_and_reading_can_begin_with_any(suffix, limit, most, few, monkeypatch, tmp_path):
    """Of two files, whose row groups, of a .parquet, are decoded 16 rows at a time; every tenth text is missing."""
    monkeypatch.setattr(f"infer.score.reading.{limit}", most)
    monkeypatch.setattr("infer.score.reading.SLICE", 16)
    may_miss = suffix not in (".csv", ".txt")
    paths, expected, missing = [], [], []
    for name, count in ("a", 120), ("b", 75):
        texts = [None if may_miss and i % 10 == 3 else f"{name}{i}" + " good" * (i % 9) for i in range(count)]
        paths.append(tmp_path / f"{name}{suffix}")
        if suffix == ".parquet":
            pq.write_table(pa.table({"review": texts}), paths[-1], row_group_size=33)
        else:
            write(paths[-1], [{"review": text} for text in texts])
        expected += [text for text in texts if text is not None]
        unit = "line" if suffix == ".jsonl" else "row"
        missing += [(paths[-1], f"{unit} {i + 1}") for i, text in enumerate(texts) if text is None]
    source, reported = open_source(paths, Options()), []
    windows = [*source.read(lambda *bad: reported.append(bad[:2]))]
    assert [text for _, texts, _ in windows for text in texts] == expected and reported == missing
    assert all(len(rows) == len(texts) for rows, texts, _ in windows) and 3 < len(windows) <= few
    if limit == "WINDOW":
        assert max(len(texts) for _, texts, _ in windows) <= most
    else:
        assert max(len("".join(texts)) for _, texts, _ in windows) <= most + 60, "less than one row more"
    assert source.seekable == (suffix in (".parquet", ".jsonl"))
    for i, (_, _, position) in enumerate(windows if source.seekable else windows[:1]):
        again = [*source.read(lambda *bad: None, position)]
        assert [(texts, at) for _, texts, at in again] == [(texts, at) for _, texts, at in windows[i:]]


def test_a_text_of_a_parquet_that_is_too_long_is_named_by_its_row(monkeypatch, tmp_path):
    monkeypatch.setattr("infer.score.reading.WINDOW", 4)
    monkeypatch.setattr("infer.score.reading.SLICE", 4)
    monkeypatch.setattr("infer.score.reading.MAX_FIELD", 9)
    path, reported = tmp_path / "in.parquet", []
    pq.write_table(pa.table({"review": ["nine char"] * 6 + ["ten chars."] + ["good"] * 3}), path)
    windows = [*open_source([path], Options()).read(lambda *bad: reported.append(bad))]
    assert reported == [(path, "row 7", "longer than 9 characters")]
    assert [len(rows) for rows, _, _ in windows] == [len(texts) for _, texts, _ in windows] == [4, 3, 2]


def test_the_text_column(classifier, tmp_path):
    source, output = write(tmp_path / "in.csv", [{"a": "good", "b": "bad"}]), tmp_path / "out.csv"
    line = refused(classifier, source, output)
    assert line.endswith(
        "in.csv: no column 'review': name the text with --text_column (make: TEXT_COLUMN=): there are a, b; "
        "if line 1 is a row, add --no_header (make: NO_HEADER=1)"
    )
    assert "no column 'c'" in refused(classifier, source, output, "--text_column=c")
    score(classifier, source, output, "--text_column=b")
    only = write(tmp_path / "only.csv", [{"a": "bad"}])
    score(classifier, only, tmp_path / "only_out.csv")
    assert read(output)[0]["p_negative"] == read(tmp_path / "only_out.csv")[0]["p_negative"]
    assert "no column 'review'" in refused(classifier, only, output, "--text_column=review")
    (tmp_path / "late.jsonl").write_text('{"a": "bad"}\n' * (WINDOW + 1) + '{"a": "x", "review": "good"}\n')
    assert "some rows have 'review'" in refused(classifier, tmp_path / "late.jsonl", output)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_review_of_ten_million_characters(classifier, suffix, tmp_path):
    review = "good film, " * 910_000
    rows = [{"review": "bad"}, {"review": review}, {"review": "a plot"}]
    score(classifier, write(tmp_path / f"in{suffix}", rows), tmp_path / "out.txt")
    expected = np.array(list(Classifier(classifier).predict(["bad", review[:1000], "a plot"])))
    got = [[row[name] for name in ADDED[1:]] for row in read(tmp_path / "out.txt")]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.more
@pytest.mark.process
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


FUZZED = settings(max_examples=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read_all(path):
    """Returns (texts of the rows, numbers of the lines that were reported), or None if the file was refused."""
    try:
        source = open_source([path], Options())
        reported, texts = [], []
        for window, some, _ in source.read(lambda path, place, what: reported.append((place, what))):
            assert len(window) == len(some) and all(isinstance(text, str) for text in some)
            texts += some
    except SystemExit as end:
        assert str(end.code).startswith(f"{path}: ")
        return None
    assert source.text_column in source.columns or source.is_json
    assert all(isinstance(what, str) and what and "\n" not in what for _, what in reported)
    "".join(texts).encode()  # no half of a surrogate pair
    return texts, [place for place, _ in reported]


# Bytes that mean something to one of the formats, more often than by chance.
PIECE = st.sampled_from([b'"', b'""', b",", b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"good", b"{}"])
BYTES = st.lists(PIECE | st.binary(max_size=4) | st.text(max_size=4).map(str.encode), max_size=30).map(b"".join)
VALUE = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
ROW = st.dictionaries(st.sampled_from(["review", "id"]), VALUE)
LINES = st.lists(ROW.map(lambda row: json.dumps(row).encode()) | BYTES, max_size=9).map(b"\n".join)


@pytest.mark.more
@FUZZED
@given(BYTES)
@example(b"\xef\xbb\xbf")
@example(b"a\r\r\n\0\x0c\n\n")
def test_every_line_of_a_txt_is_a_row_or_reported(folder, data):
    path = folder / "input.txt"
    path.write_bytes(data)
    found = read_all(path)
    assert (found is None) == bool(find_wide(data))
    texts, reported = found or ([], [])
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert not found or len(texts) + len(reported) == len(lines) - (not lines[-1])


@pytest.mark.more
@FUZZED
@given(LINES)
@example(b'{"review": "' + b"[" * 9999)
@example(b"[" * 9999 + b"\n" + b'{"review": "good"}')
@example(b'{"review": "\\ud800"}')
@example(b'{"review": ' + b"9" * 9999 + b"}")
def test_every_line_of_a_jsonl_is_a_row_reported_or_blank(folder, data):
    path = folder / "input.jsonl"
    path.write_bytes(data)
    found = read_all(path)
    if found:
        blank = re.compile(rb"\s*")
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        assert len(found[0]) + len(found[1]) <= len(lines)
        assert len(found[0]) + len(found[1]) >= sum(not blank.fullmatch(line) for line in lines if line.isascii())


@pytest.mark.more
@FUZZED
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@given(BYTES)
@example(b'review,id\n"good,1\nbad,2\n')
@example(b"review,id\n\0,1\n")
@example(b"review\n\r")
def test_a_csv_is_read_to_its_end(folder, suffix, data):
    path = folder / f"input{suffix}"
    path.write_bytes(data)
    read_all(path)


@pytest.mark.more
@FUZZED
@given(BYTES)
def test_after_any_row_that_is_wrong_the_next_is_read(folder, data):
    """Unless it opens a quote that a later one closes, which makes them one row."""
    path = folder / "input.csv"
    path.write_bytes(b"review,id\n" + data.replace(b'"', b"") + b"\nthe last,7\n")
    assume(not find_wide(path.read_bytes()))
    texts, reported = read_all(path)
    assert texts[-1] == "the last", (texts, reported)


@pytest.mark.more
@FUZZED
@given(BYTES)
def test_no_bytes_are_a_parquet_by_chance(folder, data):
    path = folder / "input.parquet"
    path.write_bytes(b"PAR1" + data + b"PAR1")
    read_all(path)
