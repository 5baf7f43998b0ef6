"""Files of reviews and of examples: read line by line, or one line on what is wrong with them."""

import json
import re

import pytest
from fuzzing import BYTES, JSON, answer_or_line, given, st

from infer.text.examples import read_examples, read_lines
from infer.text.labels import write_labels


def test_only_newlines_end_a_review(tmp_path):
    (tmp_path / "reviews.txt").write_bytes("one\x0c\u2028\x85\rtwo\n\nthree".encode())
    assert read_lines(tmp_path / "reviews.txt") == ["one\x0c\u2028\x85\rtwo", "", "three"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_review(tmp_path):
    (tmp_path / "reviews.txt").write_bytes("\ufeffone\r\n\r\n\ufefftwo\r\r\nthree\r".encode())
    assert read_lines(tmp_path / "reviews.txt") == ["one", "", "\ufefftwo\r", "three"]


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.jsonl", "a.json", "a.parquet", "a.txt.gz", "nowhere/a.ndjson"])
def test_a_table_is_no_file_of_reviews(name, tmp_path):
    with pytest.raises(SystemExit, match="not a text file of one review a line: `make score` reads it"):
        read_lines(tmp_path / name)


@pytest.mark.parametrize(
    "data, message",
    [
        ("good\nça\n".encode("latin-1"), "line 2 is not UTF-8, likely cp1252: convert it: iconv -f cp1252 -t utf-8"),
        ("хорошо\n".encode("cp1251"), "line 1 is not UTF-8: convert it: iconv -f NAME -t utf-8"),
        ("good\n".encode("utf-16"), "is UTF-16: convert it: iconv -f utf-16 -t utf-8"),
        ("good\n".encode("utf-16-be"), "is UTF-16-BE: convert it: iconv -f utf-16-be -t utf-8"),
        (b"", "no reviews in it"),
        ("\ufeff".encode(), "no reviews in it"),
    ],
)
def test_what_is_no_file_of_reviews_is_one_clear_line(data, message, tmp_path):
    (tmp_path / "reviews.txt").write_bytes(data)
    with pytest.raises(SystemExit) as ended:
        read_lines(tmp_path / "reviews.txt")
    assert ended.value.code == f"{tmp_path}/reviews.txt: {message}"


@pytest.mark.usefixtures("memory")
def test_a_file_of_reviews_without_an_end_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("infer.text.examples.MAX_REVIEWS", 1 << 20)
    with pytest.raises(SystemExit, match="/dev/zero: more than 1048576 bytes"):
        read_lines("/dev/zero")


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    "line",
    ["{}", "[]", '{"review": 1, "label": 0}', '{"review": "", "label": 2}', '{"review": "", "label": true}', "["],
)
def test_a_file_of_examples_that_is_none_is_one_clear_line(line, tmp_path):
    (tmp_path / "test.jsonl").write_text(line + "\n")
    with pytest.raises(SystemExit, match="not a file of examples, as `make reviews` writes"):
        read_examples(tmp_path / "test.jsonl")


def test_examples_have_one_of_the_labels_beside_them(tmp_path):
    rows = [{"review": "a film", "label": label, "source": ""} for label in (2, 0, 1)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit, match="line 1 has no label"):
        read_examples(tmp_path / "test.jsonl")
    write_labels(tmp_path, ["good", "bad", "neither"])
    assert read_examples(tmp_path / "test.jsonl") == rows
    write_labels(tmp_path, ["good", "bad"])
    with pytest.raises(SystemExit, match="line 1 has no label"):
        read_examples(tmp_path / "test.jsonl")


@pytest.mark.more
@given(st.lists(st.fixed_dictionaries({"review": st.text() | JSON, "label": st.integers(-1, 2) | JSON}) | JSON))
def test_examples_that_are_read_are_examples(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in answer_or_line(read_examples, path) or []:
        assert isinstance(row["review"], str) and row["label"] in (0, 1)


@pytest.mark.more
@given(BYTES)
def test_reviews_are_read_line_by_line(path, data):
    path.write_bytes(data)
    lines = answer_or_line(read_lines, path)
    if lines is not None:
        data = data.removeprefix("\ufeff".encode())
        expected = re.sub(rb"\r(?=\n|\Z)", b"", data).removesuffix(b"\n")
        assert "\n".join(lines).encode() == expected and (lines or not data)
