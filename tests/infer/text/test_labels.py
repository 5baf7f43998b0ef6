"""labels.txt: read as it was written, or refused in one line."""

import os

import pytest
from fuzzing import BYTES, answer_or_line, given

from infer.text.labels import LABELS, MAX_LABEL, MAX_LABELS, check_labels, read_labels, write_labels


@pytest.mark.parametrize(
    "labels",
    [
        ["Negative", "Positive"],
        [
            "Sci-Fi & Fantasy",
            'it\'s "so, so"',
            "a\\nb",
            " padded ",
            "很好",
            "1",
            "A",
            "a",
            "\U0001fae0",
            "👨\u200d👧",
            "\U000e0fff",
        ],
        [f"{i:0{MAX_LABEL}}" for i in range(MAX_LABELS)],
        [chr(0x20000 + i) * MAX_LABEL for i in range(MAX_LABELS)],
    ],
    ids=["two", "odd", "most", "most bytes"],
)
def test_labels_are_read_as_they_were_written(labels, tmp_path):
    write_labels(tmp_path, labels)
    assert read_labels(tmp_path) == read_labels(str(tmp_path), len(labels)) == labels
    assert os.listdir(tmp_path) == ["labels.txt"]
    assert (tmp_path / "labels.txt").read_bytes() == "".join(label + "\n" for label in labels).encode()


def test_without_a_file_they_are_the_guides_two_or_numbers(tmp_path):
    assert read_labels(tmp_path) == read_labels(tmp_path, 2) == LABELS == ["Negative", "Positive"]
    assert read_labels(tmp_path, 3) == ["0", "1", "2"]


def test_labels_of_another_model_are_refused(tmp_path):
    write_labels(tmp_path, ["a", "b", "c"])
    for count in (2, 4):
        with pytest.raises(SystemExit) as end:
            read_labels(tmp_path, count)
        assert end.value.code == (
            f"{tmp_path}/labels.txt: 3 labels, but the model has {count}: they belong to different models"
        )


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "0 labels: a classifier has 2 to 1000"),
        (b"a\nb", "not one label a line"),
        (b"a\n", "1 label: a classifier has 2 to 1000"),
        (b"".join(b"%d\n" % i for i in range(1001)), "1001 labels: a classifier has 2 to 1000"),
        (b"a\n\nb\n", "'' is no label"),
        (b"a\n \nb\n", "' ' is no label"),
        (b"a\nb\r\n", r"'b\r' is no label"),
        (b"a\tb\nc\n", r"'a\tb' is no label"),
        ("a\nb\u2028c\n".encode(), r"'b\u2028c' is no label"),
        (b"a\n" + b"x" * (MAX_LABEL + 1) + b"\n", "is no label: it must be printable, of 1 to 200 characters"),
        (b"b\na\nb\n", "the label 'b' is there twice"),
        (b"caf\xe9\nb\n", "'utf-8' codec can't decode"),
        (b"x" * 900_000, "not one label a line"),
    ],
)
def test_a_file_that_is_damaged_is_one_clear_line(data, message, tmp_path):
    (tmp_path / "labels.txt").write_bytes(data)
    with pytest.raises(SystemExit) as end:
        read_labels(tmp_path)
    assert end.value.code.startswith(f"{tmp_path}/labels.txt: cannot read the labels: ") and message in end.value.code
    assert "\n" not in end.value.code


@pytest.mark.usefixtures("memory")
def test_a_file_without_an_end_and_a_folder_are_one_clear_line(tmp_path):
    (tmp_path / "labels.txt").symlink_to("/dev/zero")
    with pytest.raises(SystemExit, match="labels.txt: cannot read the labels: not one label a line"):
        read_labels(tmp_path)
    (tmp_path / "labels.txt").unlink()
    (tmp_path / "labels.txt").mkdir()
    with pytest.raises(SystemExit, match="labels.txt: cannot read the labels: .*Is a directory"):
        read_labels(tmp_path)


@pytest.mark.more
@given(BYTES)
def test_labels_that_are_read_are_labels(path, data):
    file = path.parent / "labels.txt"
    file.write_bytes(data)
    labels = answer_or_line(read_labels, path.parent)
    if labels is not None:
        check_labels(labels)
        write_labels(path.parent, labels)
        assert file.read_bytes() == data
