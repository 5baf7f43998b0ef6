"""Files of texts with labels: what is taken for a label, and which column holds it."""

import json
import math

import pyarrow as pa
import pytest

from infer.score.labelled import choose_label, class_names, exit_if_too_bad, find_measurement, to_label

NAMES = ["Negative", "Positive"]


@pytest.mark.parametrize(
    "value, names, expected",
    [
        (True, None, "True"),
        (True, NAMES, "True"),
        (2, None, "2"),
        (2.0, None, "2"),
        (-1, None, "-1"),
        (3.5, None, "3.5"),
        (0, NAMES, "Negative"),
        (1.0, NAMES, "Positive"),
        ("1", NAMES, "1"),
        (" so so ", None, "so so"),
    ],
)
def test_what_is_a_label(value, names, expected):
    assert to_label(value, names) == expected


@pytest.mark.parametrize(
    "value, names, message",
    [
        (None, None, "no label"),
        (None, NAMES, "no label"),
        (math.nan, None, "no label"),
        (math.nan, NAMES, "no label"),
        ("", None, "no label"),
        (" \t", None, "no label"),
        (-1, NAMES, "no label"),
        (-1.0, NAMES, "no label"),
        (-2, NAMES, "-2 is the id of no label"),
        (2, NAMES, "2 is the id of no label"),
        ("a\x07", None, "its label is not printable"),
        (["a"], None, "its label is list, not text or a whole number"),
        ({}, NAMES, "its label is dict, not text or a whole number"),
    ],
)
def test_what_is_none_is_named(value, names, message):
    with pytest.raises(ValueError) as caught:
        to_label(value, names)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "columns, asked, expected",
    [
        (["review", "stars"], None, "stars"),
        (["label", "review"], None, "label"),
        (["id", "Category", "review", " Sentiment"], None, " Sentiment"),
        (["id", "label", "review"], "id", "id"),
    ],
)
def test_the_labels_column_is_the_one_asked_for_or_named_so_or_the_only_one(columns, asked, expected):
    assert choose_label("in.csv", columns, "review", asked and "".join(asked)) == expected  # another str of that name


@pytest.mark.parametrize(
    "columns, asked, message",
    [
        (["review"], None, "no column 'label': name the label with --label_column (make: LABEL_COLUMN=): there is "),
        (["review", "a", "b"], None, "no column 'label': name the label with --label_column (make: LABEL_COLUMN=): b"),
        (["review", "label"], "review", "no column 'review': name the label with --label_column (make: LABEL_COLUMN=)"),
        (["review", *"abcdefghijklmnopqrst"], "z", "no column 'z': name the label"),
        (["review", *"abcdefghijklmnopqrstu"], "z", "no column 'z': name the label"),
    ],
)
def test_no_such_column_is_one_clear_line(columns, asked, message):
    with pytest.raises(SystemExit) as caught:
        choose_label("in.csv", columns, "review", asked)
    said = str(caught.value)
    assert said.startswith(f"in.csv: {message}") and "\n" not in said
    assert said.endswith(", …") == (len(columns) > 21), "a long list is cut short"


@pytest.mark.parametrize(
    "labels, expected",
    [
        (["3.7", "4.2", "5"], "3.7"),
        (["3.0", "4.0", "5"], None),
        (["3.7", "4"], None),
        (["a", "1.5e-3", "-.5"], "1.5e-3"),
        ([], None),
    ],
)
def test_measurements_are_told_from_labels(labels, expected):
    assert find_measurement(labels) == expected


def test_a_tenth_of_bad_rows_is_let_pass_and_no_more():
    for bad, good in ((0, 1), (1, 9), (10, 90)):
        exit_if_too_bad("in.csv", bad, good)
    for bad, good, said in ((1, 8, "1 of 9"), (2, 8, "2 of 10"), (11, 89, "11 of 100"), (4, 0, "4 of 4")):
        with pytest.raises(SystemExit, match=f"^in.csv: {said} rows are bad, more than a tenth: mend them"):
            exit_if_too_bad("in.csv", bad, good)


@pytest.mark.parametrize(
    "names, expected",
    [
        (["neg", "pos"], ["Negative", "Positive"]),
        (["pos", "neg"], ["Positive", "Negative"]),
        (["neg", "neutral", "pos"], ["neg", "neutral", "pos"]),
        (["sad", "glad"], ["sad", "glad"]),
        ([1, 2], ["1", "2"]),
        (None, None),
    ],
)
def test_names_of_ids_are_those_in_the_schema(names, expected):
    info = {"info": {"features": {"label": {"names": names}}}}
    schema = pa.schema([("label", pa.int64())], {"huggingface": json.dumps(info)})
    assert class_names(schema, "label") == expected
    assert class_names(schema, "other") is None and class_names(schema.remove_metadata(), "label") is None
