"""The columns that scoring adds: their names for odd labels, and for columns that are there already."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from scoring import score, texts
from small import save

from infer import Classifier
from infer.score.window import add_columns

ODD = ["label", "Sci-Fi & Fantasy", 'it\'s "so, so"', "SCI", "Sci", "p_sci", "很好"]


@pytest.mark.parametrize(
    ("labels", "taken", "names"),
    [
        (["Negative", "Positive"], [], "label p_negative p_positive"),
        (["Negative", "Positive"], ["label", "p_positive"], "predicted_label p_negative predicted_p_positive"),
        (["label", "p_label", "x"], [], "label p_label p_p_label p_x"),
        (["p_label", "label"], ["p_label"], "label p_p_label predicted_p_label"),
        (["US", "us", "It"], [], "label p_US p_us p_It"),
        (["US", "us"], ["p_us", "predicted_p_us"], "label p_US predicted_predicted_p_us"),
        (["Straße", "STRASSE"], [], "label p_straße p_strasse"),
    ],
)
def test_every_label_has_a_column_of_its_own(labels, taken, names):
    added = list(add_columns(labels, taken))
    assert added == names.split() and len({*added, *taken}) == len(labels) + 1 + len(taken)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The path of a classifier with ODD's labels, the last of which it takes some texts for."""
    path = tmp_path_factory.mktemp("odd") / "classifier.xml"
    save(path, 0.5, ODD)
    return path


@pytest.mark.parametrize("to", [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt"])
def test_odd_labels_are_in_every_format_as_the_classifier_gives_them(odd, to, tmp_path):
    reviews = texts(40)
    source, output = tmp_path / "in.jsonl", tmp_path / f"out{to}"
    source.write_text("".join(json.dumps({"review": review, "p_SCI": 7}) + "\n" for review in reviews))
    score(odd, source, output)
    if to == ".parquet":
        rows = pq.read_table(output).to_pylist()
    elif to.startswith(".json"):
        lines = output.read_text(encoding="utf-8")
        rows = json.loads(lines) if to == ".json" else list(map(json.loads, lines.splitlines()))
    else:
        with open(output, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="," if to == ".csv" else "\t"))
        header = ["review", "p_SCI", *add_columns(ODD, ["p_SCI"])]
        rows = [dict(zip(header[2:], row, strict=True)) for row in rows] if to == ".txt" else rows
        if to != ".txt":
            assert rows[0] == header
            rows = [dict(zip(header, row, strict=True)) for row in rows[1:]]
    expected = Classifier(odd).predict_window(reviews)
    columns = ["p_label", "p_Sci-Fi & Fantasy", 'p_it\'s "so, so"', "predicted_p_SCI", "p_Sci", "p_p_sci", "p_很好"]
    assert np.array_equal(np.float32([[float(row[name]) for name in columns] for row in rows]), expected)
    found = [row["label"] for row in rows]
    assert found == [ODD[i] for i in expected.argmax(1)] and len(set(found)) > 1
    assert to == ".txt" or {str(row["p_SCI"]) for row in rows} == {"7"}
