"""python -m infer evaluate: what a classifier is worth on a file of labels, by the same reader as score's."""

import sys
from functools import partial

import numpy as np
import pytest
from scoring import refused, score, texts, write
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support
from small import LENGTH, random_texts

from infer import Classifier
from infer.score.evaluate import find_id, main
from infer.text.labels import LABELS
from infer.text.long import ADVICE_TOO, LONG, say

evaluate, refused = (partial(run, main=main) for run in (score, refused))


@pytest.mark.parametrize("long", LONG)
def test_long_texts_are_read_as_asked_and_that_is_said(long, classifier, tmp_path, capsys):
    found, random = random_texts(300), np.random.default_rng(3)
    given = random.integers(2, size=300)
    rows = [{"review": text, "label": LABELS[i]} for text, i in zip(found, given, strict=True)]
    evaluate(classifier, write(tmp_path / "in.jsonl", rows), "--long", long)
    printed = capsys.readouterr().out
    model = Classifier(classifier, long=long)
    assert f"loss: {log_loss(given, model.predict_window(found)):.4f}\n" in printed
    say("in.jsonl", model.count(found), LENGTH - 2, long, ADVICE_TOO, sys.stdout)
    said = capsys.readouterr().out
    assert "of 300 texts are longer than the 22" in said and said.removeprefix("in.jsonl") in printed


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.jsonl.gz"])
def test_its_numbers_are_scikit_learns(name, classifier, tmp_path, capsys):
    found, random = texts(300), np.random.default_rng(3)
    given = random.integers(2, size=300)
    rows = [{"review": text, "label": LABELS[i]} for text, i in zip(found, given, strict=True)]
    source = write(tmp_path / name, rows)
    evaluate(classifier, source)
    printed = capsys.readouterr().out
    probabilities = Classifier(classifier).predict_window(found)
    assert f"accuracy: {accuracy_score(given, probabilities.argmax(1)):.4f}\n" in printed
    assert f"300 texts, bad rows skipped: 0; loss: {log_loss(given, probabilities):.4f}\n" in printed
    scores = precision_recall_fscore_support(given, probabilities.argmax(1))
    for label, precision, recall, f1, count in zip(LABELS, *scores, strict=True):
        (row,) = [line.split() for line in printed.splitlines() if line.startswith(label) and "." in line]
        assert row[1:] == [str(count), *(f"{value:.4f}" for value in (precision, recall, f1))]


def test_ids_are_taken_for_labels_and_what_is_none_is_named(classifier, tmp_path, capsys):
    rows = [{"review": "good", "label": label} for label in ["0", "1", "Positive", "Negative"] * 5]
    evaluate(classifier, write(tmp_path / "in.csv", [*rows, {"review": "odd one", "label": "meh"}]))
    printed = capsys.readouterr()
    assert "20 texts, bad rows skipped: 1;" in printed.out
    assert (
        "text 21, 'odd one': 'meh' is no label of the classifier, which has Negative, Positive: skipped" in printed.err
    )
    assert "in.csv: numbers are taken for the labels' ids: 0 Negative, 1 Positive" in printed.out
    for labels, label in ((["1", "2"], "0"), (["+1", "-1"], "1"), (["1 star", "2 stars"], "1"), (["1.0", "2.0"], "1")):
        with pytest.raises(ValueError, match="is no label of the classifier"):
            find_id(labels)(label)


def test_what_cannot_be_measured_is_one_clear_line(classifier, tmp_path):
    foreign = write(tmp_path / "in.csv", [{"review": "good", "label": "meh"}] * 4)
    assert refused(classifier, foreign).endswith(
        "in.csv: 4 of 4 rows are bad, more than a tenth: mend them, or give another file"
    )
    assert "no such file" in refused(classifier, tmp_path / "none.csv")
    assert "no column 'stars'" in refused(classifier, foreign, "--label_column=stars")
    (tmp_path / "head.csv").write_text("review,label\n")
    assert "no rows in it" in refused(classifier, tmp_path / "head.csv")
    assert "not a classifier" in refused(foreign, foreign)
