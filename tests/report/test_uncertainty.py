"""report.uncertainty against published examples, and against what is true of made-up models."""

import numpy as np
import pytest

from report.metrics import measure, weighted
from report.uncertainty import Estimate, compare_shares, estimate, estimate_by_label, mcnemar, over_seeds, proportion


def model(seed, reviews=400, noise=0.3, labels=None):
    """Returns (labels, probabilities) of a model that is right more often than not."""
    random = np.random.default_rng(seed)
    labels = np.random.default_rng(0).integers(0, 2, reviews) if labels is None else labels
    positive = np.clip(0.5 + (labels - 0.5) * 0.6 + random.normal(0, noise, len(labels)), 0.001, 0.999)
    return labels, np.stack([1 - positive, positive], axis=1)


def test_wilsons_interval_is_the_published_one():
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    for right, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        assert proportion(right, total) == pytest.approx((right / total, low, high), abs=5e-5)
    assert proportion(29, 29).low == pytest.approx(0.8830, abs=5e-5)


def test_exact_tests_are_the_published_ones():
    # Fisher's own, a lady tasting tea; and of 10 reviews that one model alone has right, 2 the second's: 2 * 56 / 1024.
    assert compare_shares((3, 4), (1, 4)) == pytest.approx(34 / 70)
    labels = np.zeros(30, int)
    first, second = labels.copy(), labels.copy()
    first[:2], second[2:10] = 1, 1
    assert mcnemar(labels, first, second) == (2, 8, pytest.approx(112 / 1024))
    assert mcnemar(labels, first, first) == (0, 0, 1)


def test_the_interval_over_seeds_is_students():
    values = [0.82, 0.83, 0.84]
    assert over_seeds(values) == pytest.approx((0.83, 0.83 - 4.302653 * 0.01 / 3**0.5, 0.83 + 4.302653 * 0.01 / 3**0.5))
    assert over_seeds([0.8]) == (0.8, None, None) and over_seeds([0.8, 0.8]) == (0.8, 0.8, 0.8)
    assert over_seeds([0.1, 0.9], (0, 1))[1:] == (0, 1)


def test_a_weight_is_a_review_so_many_times():
    labels, probabilities = model(1, 60)
    drawn = np.random.default_rng(2).integers(0, 60, (3, 60))
    weights = np.array([np.bincount(sample, minlength=60) for sample in drawn]).astype(float)
    found = weighted(labels, probabilities)(weights)
    for number, sample in enumerate(drawn):
        expected = measure(labels[sample], probabilities[sample])
        assert {name: values[number] for name, values in found.items()} == pytest.approx(expected)


def test_bootstrap_agrees_with_the_formulas_that_there_are():
    labels, probabilities = model(1, 3000)
    runs = {"one": [(labels, probabilities)], "runs": [(labels, probabilities)] * 2}
    found = estimate(runs)[0]
    wilson, bootstrap = found["one"]["accuracy"], found["runs"]["accuracy"]
    assert bootstrap == pytest.approx(wilson, abs=0.002) and bootstrap != wilson
    each = -np.log(probabilities[np.arange(3000), labels])
    error = 1.96 * each.std() / 3000**0.5
    assert found["one"]["loss"] == pytest.approx((each.mean(), each.mean() - error, each.mean() + error), abs=0.002)
    # Hanley and McNeil, "The meaning and use of the area under a ROC curve", 1982.
    auc, positive = found["one"]["roc_auc"].value, labels.sum()
    negative, q1, q2 = len(labels) - positive, auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positive - 1) * (q1 - auc**2) + (negative - 1) * (q2 - auc**2)
    half = 1.96 * (variance / (positive * negative)) ** 0.5
    assert found["one"]["roc_auc"] == pytest.approx((auc, auc - half, auc + half), abs=0.003)
    assert estimate(runs) == estimate(runs), "the same for the same reviews"


def test_the_intervals_of_a_calibrated_models_ece_reach_down():
    """The mean of the samples' ECE is above that of the reviews, here by about as much as it is itself."""
    random = np.random.default_rng(0)
    positive = random.uniform(0.01, 0.99, 1000)
    labels = (random.random(1000) < positive).astype(int)
    value, low, high = estimate({"it": [(labels, np.stack([1 - positive, positive], axis=1))]})[0]["it"]["ece"]
    assert low == 0 and high > value / 2, "the percentiles would begin above the value"


def test_a_difference_on_the_same_reviews_is_told_better_than_on_others():
    labels, probabilities = model(1)
    moved = probabilities.copy()
    moved[:12] = moved[:12, ::-1]
    estimates, differences = estimate({"a": [(labels, probabilities)], "b": [(labels, moved)]}, [("a", "b")])
    change = differences["a", "b"]["accuracy"]
    assert change.value == pytest.approx(estimates["b"]["accuracy"].value - estimates["a"]["accuracy"].value)
    assert change.low <= change.value <= change.high
    own = estimates["a"]["accuracy"]
    assert change.high - change.low < 0.7 * (own.high - own.low), "on others it is 1.4 times as wide as one"
    assert differences["a", "b"]["roc_auc"].high < 0


def test_too_few_reviews_of_a_label_have_no_interval_and_are_no_error():
    labels = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    found = estimate({"it": [model(1, labels=labels)]})[0]["it"]
    assert found["roc_auc"][1:] == found["auc"][1:] == (None, None)
    assert None not in found["accuracy"] and None not in found["loss"]


def test_precision_recall_and_f1_by_label():
    labels, predicted = np.repeat([0, 1, 2], [50, 30, 20]), np.repeat([0, 1, 0, 2], [50, 20, 10, 20])
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (labels, predicted), 1)
    precision, recall, f1 = estimate_by_label(counts, labels, predicted)
    assert precision[0] == proportion(50, 60) and recall[1] == proportion(20, 30) and recall[3] == Estimate(0)
    assert f1[0].value == pytest.approx(100 / 110) and f1[2] == (1, 1, 1) and f1[3].value == 0
    assert f1[1].low < 0.8 < f1[1].high and f1[1].value == pytest.approx(0.8)
