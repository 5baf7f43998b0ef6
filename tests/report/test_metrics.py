"""report.metrics against numbers worked out by hand, and against what TensorFlow's evaluation once printed."""

import numpy as np
import pytest
from report_build import LABELS, write_probabilities

from infer.temperature import measure as calibration
from report.metrics import BINS, confusion, measure, read_probabilities, reliability, spread


def probabilities(*positive):
    return np.array([[1 - p, p] for p in positive])


def test_measures_by_hand():
    labels = np.array([0, 0, 1, 1, 1])
    measured = measure(labels, probabilities(0.2, 0.6, 0.9, 0.8, 0.4))
    assert measured["accuracy"] == 0.6
    assert measured["loss"] == pytest.approx(-np.log([0.8, 0.4, 0.9, 0.8, 0.4]).mean())
    assert [measured[name] for name in ("true_negatives", "false_positives", "false_negatives")] == [1, 1, 1]
    assert measured["true_positives"] == 2
    assert measured["precision"] == measured["recall"] == measured["f1"] == pytest.approx(2 / 3)
    assert measured["f1_score"] == pytest.approx(6 / 8), "to call everything positive is better"
    assert measured["auc"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_counts_give_what_tensorflow_printed_for_them():
    # A run of this pipeline on 5000 test reviews: 2469 true positives, 1704 true negatives, 398 and 429 false.
    labels = np.repeat([1, 0, 0, 1], [2469, 1704, 398, 429])
    measured = measure(labels, probabilities(*np.repeat([0.9, 0.1, 0.9, 0.1], [2469, 1704, 398, 429])))
    printed = {"auc": 0.8313117, "accuracy": 0.8346, "f1_score": 0.85654813, "precision": 0.86117893}
    assert measured["f1"] == measured["f1_score"]
    for name, value in (printed | {"recall": 0.85196686}).items():
        assert measured[name] == pytest.approx(value, abs=2e-6)
    assert confusion(labels, probabilities(*(labels * 0.8 + 0.1))).tolist() == [[2102, 0], [0, 2898]]


def test_measures_of_three_labels_by_hand():
    labels = np.array([0, 0, 1, 2])
    values = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]])
    assert confusion(labels, values).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    measured = measure(labels, values)
    assert measured == pytest.approx(
        {
            "accuracy": 0.5,
            "loss": -np.log([0.7, 0.3, 0.8, 0.3]).mean(),
            "ece": (0.3 + 0.6 + 0.2 + 0.4) / 4,
            "macro_precision": (1 / 2 + 1 / 2 + 0) / 3,
            "macro_recall": (1 / 2 + 1 + 0) / 3,
            "macro_f1": (1 / 2 + 2 / 3 + 0) / 3,
        }
    )
    assert reliability(labels, values)[0][[5, 8, 10, 11]].tolist() == [1, 1, 1, 1]


def test_calibration_error_by_hand():
    # 15 bins: 0.61 and 0.65 fall into (0.6, 0.667], 0.95 and 0.99 into (0.933, 1].
    labels = np.array([1, 0, 1, 0])
    values = probabilities(0.61, 0.65, 0.95, 0.01)
    sizes, confidence, accuracy = reliability(labels, values)
    assert len(sizes) == BINS == 15 and sizes[9] == sizes[14] == 2 and sizes.sum() == 4
    assert confidence[9] == pytest.approx(0.63) and accuracy[9] == 0.5
    assert confidence[14] == pytest.approx(0.97) and accuracy[14] == 1
    assert np.isnan(accuracy[0])
    assert measure(labels, values)["ece"] == pytest.approx((0.13 + 0.03) / 2)


def test_a_bin_of_one_review_counts_and_a_wrong_negative_is_wrong():
    labels, values = np.array([1, 1, 1]), probabilities(0.61, 0.65, 0.02)
    assert measure(labels, values)["ece"] == pytest.approx((2 * 0.37 + 0.98) / 3)


def test_certain_and_undecided_reviews_have_a_bin_and_a_finite_loss():
    sizes, _, _ = reliability(np.array([0, 1, 1]), probabilities(0, 0.5, 1))
    assert sizes[14] == 2 and sizes[7] == 1
    assert np.isfinite(measure(np.array([0, 1]), probabilities(1, 1))["loss"])


def test_precision_with_as_many_right_as_wrong():
    assert measure(np.array([0, 1]), probabilities(0.9, 0.9))["precision"] == 0.5
    assert measure(np.array([0, 0, 1]), probabilities(0.1, 0.1, 0.9))["precision"] == 1


def test_nothing_predicted_positive_is_no_error():
    measured = measure(np.array([0, 1]), probabilities(0.1, 0.2))
    assert measured["precision"] == measured["f1"] == 0 and measured["auc"] == 0.5
    assert measured["f1_score"] == pytest.approx(2 / 3), "as TensorFlow's, by the threshold that calls all positive"


def test_spread_over_runs_by_hand():
    measured = spread(np.array([0, 1]), np.array([probabilities(0.9, 0.4), probabilities(0.7, 0.6)]))
    assert measured["p_positive_std"] == pytest.approx(0.2 / np.sqrt(2))
    assert measured["changed"] == 0.5
    # The first of four reviews changes its label in the second run alone, the third in the first alone.
    runs = [probabilities(0.9, 0.6, 0.2, 0), probabilities(0.1, 0.6, 0.9, 0), probabilities(0.9, 0.6, 0.9, 0)]
    assert spread(np.array([0, 1, 0, 1]), np.array(runs))["changed"] == 0.5
    # Of three labels it is the review's own that is followed: 0.3, 0.5 and 0.1, 0.1.
    runs = [[[0.3, 0.6, 0.1], [0.8, 0.1, 0.1]], [[0.5, 0.1, 0.4], [0.2, 0.1, 0.7]]]
    measured = spread(np.array([0, 1]), np.array(runs))
    assert measured["p_positive_std"] == pytest.approx(0.2 / np.sqrt(2) / 2) and measured["changed"] == 1


def test_probabilities_are_read_as_written(tmp_path):
    write_probabilities(tmp_path / "p.tsv", LABELS, LABELS * 0.5 + 0.25)
    labels, values = read_probabilities(tmp_path / "p.tsv", 2)
    assert labels.tolist() == LABELS.tolist()
    np.testing.assert_allclose(values[[0, 9]], [[0.75, 0.25], [0.25, 0.75]])
    (tmp_path / "p.tsv").write_text("0\t1\t0\n1\t0\t1\n")
    assert read_probabilities(tmp_path / "p.tsv", 2)[1].tolist() == [[1, 0], [0, 1]]
    (tmp_path / "p.tsv").write_text("2\t0.1\t0.2\t0.7\n0\t0.5\t0.25\t0.25\n")
    labels, values = read_probabilities(tmp_path / "p.tsv", 3)
    assert labels.tolist() == [2, 0] and values.tolist() == [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "all its reviews have the same label"),
        ("1\t0.1\t0.9\n1\t0.1\t0.9\n", "all its reviews have the same label"),
        ("0\t0.9\t0.1\n2\t0.1\t0.9\n", "line 2 is not"),
        ("0\t0.9\t0.1\n\n", "line 2 is not"),
        ("0\t0.9\n", "line 1 is not"),
        ("0\t0.9\t0.1\t0\n", "line 1 is not"),
        ("0\tnan\t0.1\n", "line 1 is not"),
        ("0\t1.2\t-0.2\n", "line 1 is not"),
        ("0\tmuch\tlittle\n", "line 1 is not"),
        ("0\t0.9\t0.9\n", "line 1: the probabilities add up to 1.8"),
        ("0\t1\t1\n", "line 1: the probabilities add up to 2"),
    ],
)
def test_malformed_probabilities_are_one_clear_line(tmp_path, text, complaint):
    (tmp_path / "p.tsv").write_text(text)
    with pytest.raises(SystemExit, match=complaint) as error:
        read_probabilities(tmp_path / "p.tsv", 2)
    assert str(error.value).startswith(f"{tmp_path}/p.tsv: ") and "\n" not in str(error.value)


def test_missing_probabilities_name_the_target(tmp_path):
    with pytest.raises(SystemExit, match="p.tsv: cannot read the probabilities: No such file.*make ablation"):
        read_probabilities(tmp_path / "p.tsv", 2)


def test_a_calibrated_classifier_is_measured_as_the_page_measures():
    random = np.random.default_rng(0)
    for count in (2, 4):
        values = random.dirichlet(np.ones(count), 500)
        labels, paged = random.integers(count, size=500), {"accuracy": "accuracy", "loss": "loss", "ECE": "ece"}
        ours, theirs = calibration(labels, values), measure(labels, values)
        assert {name: ours[name] for name in paged} == pytest.approx({name: theirs[paged[name]] for name in paged})
