"""What a classifier is calibrated on: nothing that it was trained on, and nothing that it is measured on."""

import json
from types import SimpleNamespace

import numpy as np
import openvino as ov
import pytest
from scoring import write
from small import random_texts

from infer import Classifier
from infer.calibrate import compute_logits, read_sets
from infer.head import softmax
from infer.ir import read_info
from infer.score.reading import Options
from infer.text.labels import LABELS, write_labels


def arguments(data_dir, labelled=None):
    """Of the command."""
    return SimpleNamespace(data_dir=data_dir, labelled=labelled, label_column=None, **Options()._asdict())


@pytest.fixture
def data_dir(tmp_path):
    write_labels(tmp_path, LABELS)
    for split, texts in (("train", "ab"), ("test", "cd"), ("calibrate", "aecfg")):
        rows = ({"review": text, "label": i % 2, "source": ""} for i, text in enumerate(texts))
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_what_it_was_trained_or_is_measured_on_is_left_out(data_dir, capsys):
    rows, test = read_sets(arguments(data_dir), LABELS)
    assert rows == [("e", 1), ("f", 1), ("g", 0)] and test == [("c", 0), ("d", 1)]
    said = capsys.readouterr().out
    assert said == f"{data_dir}/calibrate.jsonl: 2 of its 5 texts are in train or test as well: left out\n"


def test_a_file_takes_the_place_of_what_was_kept(data_dir, capsys):
    path = write(
        data_dir / "own.csv", [{"text": t, "label": k} for t, k in zip("dxyz", [*LABELS, "1", "0"], strict=True)]
    )
    rows, _ = read_sets(arguments(data_dir, labelled=path), LABELS)
    assert rows == [("x", 1), ("y", 1), ("z", 0)], "labels by their names and by their ids"
    assert "the text is in column 'text', the label in 'label'" in capsys.readouterr().out


def test_reviews_of_other_labels_are_one_clear_line(data_dir):
    with pytest.raises(SystemExit) as refused:
        read_sets(arguments(data_dir), ["bad", "fair", "good"])
    line = f"{data_dir}: its labels are Negative, Positive, the classifier's bad, fair, good: give TRAIN= and TEST= of "
    assert refused.value.code == line + "the classifier's labels"


def test_logits_are_those_of_the_probabilities(classifier):
    texts = random_texts(70)
    logits = compute_logits(ov.Core().read_model(classifier), read_info(classifier)[1], texts)
    np.testing.assert_allclose(softmax(logits), Classifier(classifier).predict_window(texts), atol=1e-6)
    assert logits.dtype == float and np.ptp(logits.sum(axis=1)) > 0.1, "no probabilities"
