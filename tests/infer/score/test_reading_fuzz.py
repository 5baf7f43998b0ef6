"""Whatever a file of reviews holds, each of its lines is a row or is reported, and nothing else happens."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infer.score.reading import open_source

settings.register_profile("ours", deadline=None, derandomize=True, max_examples=300)
settings.load_profile("ours")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read(path):
    """Returns (texts of the rows, numbers of the lines that were reported), or None if the file was refused."""
    try:
        source = open_source(path, None)
        reported, texts = [], []
        for window, some, _ in source.read(lambda number, what: reported.append((number, what))):
            assert len(window) == len(some) and all(isinstance(text, str) for text in some)
            texts += some
    except SystemExit as end:
        assert str(end.code).startswith(f"{path}: ")
        return None
    assert source.text_column in source.columns or path.suffix == ".jsonl"
    assert all(isinstance(what, str) and what and "\n" not in what for _, what in reported)
    "".join(texts).encode()  # no half of a surrogate pair
    return texts, [number for number, _ in reported]


# Bytes that mean something to one of the formats, more often than by chance.
PIECE = st.sampled_from([b'"', b'""', b",", b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"good", b"{}"])
BYTES = st.lists(PIECE | st.binary(max_size=4) | st.text(max_size=4).map(str.encode), max_size=30).map(b"".join)
VALUE = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
ROW = st.dictionaries(st.sampled_from(["review", "id"]), VALUE)
LINES = st.lists(ROW.map(lambda row: json.dumps(row).encode()) | BYTES, max_size=9).map(b"\n".join)


@given(BYTES)
@example(b"\xef\xbb\xbf")
@example(b"a\r\r\n\0\x0c\n\n")
def test_every_line_of_a_txt_is_a_row_or_reported(folder, data):
    path = folder / "input.txt"
    path.write_bytes(data)
    texts, reported = read(path)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert len(texts) + len(reported) == len(lines) - (not lines[-1])


@given(LINES)
@example(b'{"review": "' + b"[" * 9999)
@example(b"[" * 9999 + b"\n" + b'{"review": "good"}')
@example(b'{"review": "\\ud800"}')
@example(b'{"review": ' + b"9" * 9999 + b"}")
def test_every_line_of_a_jsonl_is_a_row_reported_or_blank(folder, data):
    path = folder / "input.jsonl"
    path.write_bytes(data)
    found = read(path)
    if found:
        blank = re.compile(rb"\s*")
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        assert len(found[0]) + len(found[1]) <= len(lines)
        assert len(found[0]) + len(found[1]) >= sum(not blank.fullmatch(line) for line in lines if line.isascii())


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@given(BYTES)
@example(b'review,id\n"good,1\nbad,2\n')
@example(b"review,id\n\0,1\n")
@example(b"review\n\r")
def test_a_csv_is_read_to_its_end(folder, suffix, data):
    path = folder / f"input{suffix}"
    path.write_bytes(data)
    read(path)


@given(BYTES)
def test_after_any_row_that_is_wrong_the_next_is_read(folder, data):
    """Unless it opens a quote that a later one closes, which makes them one row."""
    path = folder / "input.csv"
    path.write_bytes(b"review,id\n" + data.replace(b'"', b"") + b"\nthe last,7\n")
    texts, reported = read(path)
    assert texts[-1] == "the last", (texts, reported)


@given(BYTES)
def test_no_bytes_are_a_parquet_by_chance(folder, data):
    path = folder / "input.parquet"
    path.write_bytes(b"PAR1" + data + b"PAR1")
    read(path)
