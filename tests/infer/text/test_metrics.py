"""The metrics by label against scikit-learn's, and what is written of them."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from infer.text.metrics import most_confused, precision_recall_f1, write_metrics


def answers(num_labels, texts, seed=0):
    """Returns (labels (texts,), predicted (texts,)), a half of them the same; the last label is in neither."""
    random = np.random.default_rng(seed)
    labels, others = random.integers(num_labels - 1, size=(2, texts))
    return labels, np.where(random.random(texts) < 0.5, labels, others)


@pytest.mark.parametrize("num_labels, texts", [(3, 50), (7, 200), (7, 3), (300, 2000)])
def test_they_are_scikit_learns(num_labels, texts):
    labels, predicted = answers(num_labels, texts)
    ids = range(num_labels)
    counts = confusion_matrix(labels, predicted, labels=ids)
    expected = precision_recall_fscore_support(labels, predicted, labels=ids, zero_division=0)[:3]
    np.testing.assert_allclose(precision_recall_f1(counts), expected, atol=1e-12)
    means = precision_recall_fscore_support(labels, predicted, labels=ids, average="macro", zero_division=0)[:3]
    np.testing.assert_allclose(precision_recall_f1(counts).mean(axis=1), means, atol=1e-12)


def test_two_labels_by_hand():
    counts = np.array([[1704, 398], [429, 2469]])
    precision, recall, f1 = precision_recall_f1(counts)
    assert precision[1] == pytest.approx(0.86117893) and recall[1] == pytest.approx(0.85196686)
    assert f1[1] == pytest.approx(0.85654813)


def test_a_few_labels_are_written_with_their_matrix():
    counts = np.array([[3, 1, 0], [0, 10, 0], [0, 2, 0]])
    assert write_metrics(counts, ["Sci-Fi & Fantasy", "so, so", "7"]) == (
        "accuracy: 0.8125\n"
        "\n"
        "label               texts  precision  recall      F1\n"
        "Sci-Fi & Fantasy        4     1.0000  0.7500  0.8571\n"
        "so, so                 10     0.7692  1.0000  0.8696\n"
        "7                       2     0.0000  0.0000  0.0000\n"
        "mean of the labels     16     0.5897  0.5833  0.5756\n"
        "\n"
        "label \\ predicted  Sci-Fi & Fantasy  so, so  7\n"
        "Sci-Fi & Fantasy                  3       1  0\n"
        "so, so                            0      10  0\n"
        "7                                 0       2  0\n"
    )


def test_of_many_labels_only_those_most_often_wrong_are_written():
    counts = np.diag(np.full(30, 5))
    counts[4, 7], counts[2, 29], counts[0, 1] = 3, 8, 3
    assert most_confused(counts) == [(2, 29), (0, 1), (4, 7)]
    last = write_metrics(counts, [f"label {i}" for i in range(30)]).split("\n\n")[-1]
    assert last.splitlines() == [
        "label    predicted  texts",
        "label 2  label 29       8",
        "label 0  label 1        3",
        "label 4  label 7        3",
    ]
    assert len(most_confused(np.ones((30, 30), int))) == 20
    assert most_confused(np.eye(30, dtype=int)) == []


def test_nothing_wrong_is_no_error():
    text = write_metrics(np.eye(30, dtype=int), [f"label {i}" for i in range(30)])
    assert text.startswith("accuracy: 1.0000\n")
