"""Metrics of a classifier from labels and probabilities: accuracy, loss, calibration, confusion."""

import sys
from pathlib import Path

import numpy as np

from infer.text.metrics import precision_recall_f1

BINS = 15  # Guo et al., "On Calibration of Modern Neural Networks", ICML 2017


def read_probabilities(path, num_labels, target="ablation"):
    """Reads a probabilities-K.tsv: one line per test review, its label's id and each label's probability, by tabs.

    Args:
      path: of it.
      num_labels: int.
      target: what makes it, for messages.
    Returns: int array (reviews,), float array (reviews, labels).
    Raises: SystemExit if the file is missing, a line is invalid, or only one of the labels occurs.
    """
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(
            f"{path}: cannot read the probabilities: {getattr(error, 'strerror', error)}: make it with `make {target}`"
        )
    ids = {str(i): i for i in range(num_labels)}
    labels, probabilities = [], []
    for number, line in enumerate(lines, 1):
        try:
            label, *row = line.split("\t")
            row = [float(value) for value in row]
            if label not in ids or len(row) != num_labels or not all(value >= 0 for value in row):
                raise ValueError
        except ValueError:
            sys.exit(
                f"{path}: line {number} is not a label's number and the probabilities of {num_labels} labels, "
                "with tabs between: remove the file and make it again"
            )
        if abs(sum(row) - 1) > 1e-4:
            sys.exit(
                f"{path}: line {number}: the probabilities add up to {sum(row):g}: remove the file and make it again"
            )
        labels.append(ids[label])
        probabilities.append(row)
    if len(set(labels)) < 2:
        sys.exit(
            f"{path}: all its reviews have the same label, so nothing can be measured: remove it and make it again"
        )
    return np.array(labels), np.array(probabilities)


def measure(labels, probabilities):
    """Returns {name: value}: accuracy, loss, ece, and the metrics that eval_results.txt has under the same names.

    Args:
      labels: int array (reviews,); of two labels, 1 is the positive one, and both must occur.
      probabilities: float array (reviews, labels).
    Loss is the mean cross-entropy in nats. Of two labels the metrics are the notebook's, of more they are the means of
    the labels' precision, recall and F1. auc is the notebook's, of predicted labels and not of scores: what
    tf.metrics.auc then gives is (recall + specificity) / 2. f1_score is the notebook's too, the best over thresholds:
    what tf.contrib.metrics.f1_score then gives is the F1 of the labels or of calling every review positive, whichever
    is more. The plain F1 of the labels is f1.
    """
    predicted = probabilities.argmax(axis=1)
    counts = confusion(labels, probabilities)
    of_label = probabilities[np.arange(len(labels)), labels]
    measured = {
        "accuracy": float((predicted == labels).mean()),
        # A float32 softmax can be 0, whose logarithm is infinite.
        "loss": float(-np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).mean()),
        "ece": calibration_error(labels, probabilities),
    }
    if len(counts) != 2:
        means = precision_recall_f1(counts).mean(axis=1)
        return measured | dict(zip(("macro_precision", "macro_recall", "macro_f1"), means.tolist(), strict=True))
    (tn, fp), (fn, tp) = counts.tolist()
    return measured | {
        "auc": (tp / (tp + fn) + tn / (tn + fp)) / 2,
        "f1": plain_f1(tp, fp, fn),
        "f1_score": max(plain_f1(tp, fp, fn), plain_f1(tp + fn, fp + tn, 0)),
        "precision": tp / (tp + fp) if tp + fp else 0.0,
        "recall": tp / (tp + fn),
        "true_positives": tp,
        "true_negatives": tn,
        "false_positives": fp,
        "false_negatives": fn,
    }


def plain_f1(true_positives, false_positives, false_negatives):
    """Returns the F1 of the positive label from its counts; at least one review must be positive or called so."""
    return 2 * true_positives / (2 * true_positives + false_positives + false_negatives)


def confusion(labels, probabilities):
    """Returns int array (labels, labels): the number of reviews by label (row) and predicted label (column)."""
    counts = np.zeros((probabilities.shape[1],) * 2, int)
    np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1)
    return counts


def reliability(labels, probabilities):
    """Returns the BINS bins of a reliability diagram as arrays (BINS,): reviews, mean confidence, accuracy.

    Confidence is the probability of the predicted label; bin i holds those in (i / BINS, (i + 1) / BINS], as in Guo
    et al. The means of an empty bin are NaN.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.ceil(confidence * BINS).astype(int) - 1
    sizes = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return (
            sizes,
            np.bincount(bins, confidence, minlength=BINS) / sizes,
            np.bincount(bins, correct, minlength=BINS) / sizes,
        )


def calibration_error(labels, probabilities):
    """Returns the expected calibration error: the bins' |accuracy - confidence|, weighted by their reviews."""
    sizes, confidence, accuracy = reliability(labels, probabilities)
    filled = sizes > 0
    return float((sizes[filled] * np.abs(accuracy - confidence)[filled]).sum() / sizes.sum())


def spread(labels, repeats):
    """Returns {name: value} on how much runs of one model on the same reviews differ.

    p_positive_std is the mean over reviews of the standard deviation over runs: of the second of two labels, whose
    other one deviates as much, or of the review's own label of more. changed is the share of reviews that don't get the
    same label in all runs.

    Args:
      labels: int array (reviews,).
      repeats: float array (runs, reviews, labels), of at least two runs.
    """
    predicted = repeats.argmax(axis=2)
    followed = 1 if repeats.shape[2] == 2 else labels
    return {
        "p_positive_std": float(repeats[:, np.arange(len(labels)), followed].std(axis=0, ddof=1).mean()),
        "changed": float((predicted != predicted[0]).any(axis=0).mean()),
    }
