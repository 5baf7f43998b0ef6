"""Metrics of a classifier from labels and probabilities: accuracy, loss, calibration, confusion."""

import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from infer.temperature import BINS, bin_of

COUNTS = ("true_positives", "true_negatives", "false_positives", "false_negatives")


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


def weighted(labels, probabilities):
    """Returns a function of weights that measures the reviews as if each were there so many times.

    It takes a float array (samples, reviews), whole numbers, and returns {name: float array (samples,)} of what
    `measure` describes: of weights of one its metrics, of a bootstrap's samples theirs. NaN where a label is missing
    that the metric needs.
    """
    reviews, count = probabilities.shape
    predicted, every = probabilities.argmax(axis=1), np.arange(reviews)
    right = predicted == labels
    # A float32 softmax can be 0, whose logarithm is infinite.
    loss = -np.log(np.maximum(probabilities[every, labels], np.finfo(np.float32).tiny))
    off = right - probabilities.max(axis=1)
    places = [(right, 0), (loss, 1), (off, 2 + bin_of(probabilities))]
    places += [
        (values, 2 + BINS + i * count + at)
        for i, (values, at) in enumerate(((np.ones(reviews), labels), (np.ones(reviews), predicted), (right, labels)))
    ]
    values, columns = zip(*((np.broadcast_to(v, reviews), np.broadcast_to(c, reviews)) for v, c in places), strict=True)
    table = csr_array(
        (np.concatenate(values).astype(float), (np.tile(every, len(places)), np.concatenate(columns))),
        shape=(reviews, 2 + BINS + 3 * count),
    ).T.tocsr()
    rank = rank_by(probabilities[:, 1], labels) if count == 2 else None

    def measure_sample(weights):
        sums, total = table @ weights.T, weights.sum(axis=1)
        given, called, hits = sums[2 + BINS :].reshape(3, count, -1)
        measured = {
            "accuracy": sums[0] / total,
            "loss": sums[1] / total,
            # The bins' |accuracy - confidence|, weighted by their reviews.
            "ece": np.abs(sums[2 : 2 + BINS]).sum(axis=0) / total,
        }
        if count != 2:
            means = [
                hits / np.maximum(called, 1),
                hits / np.maximum(given, 1),
                2 * hits / np.maximum(given + called, 1),
            ]
            names = "macro_precision", "macro_recall", "macro_f1"
            return measured | {name: mean.mean(axis=0) for name, mean in zip(names, means, strict=True)}
        (tn, tp), (negative, positive) = hits, given
        with np.errstate(divide="ignore", invalid="ignore"):
            recall, f1 = tp / positive, plain_f1(tp, called[1] - tp, positive - tp)
            return measured | {
                "auc": (recall + tn / negative) / 2,
                "f1": f1,
                "f1_score": np.maximum(f1, plain_f1(positive, negative, 0)),
                "precision": tp / np.maximum(called[1], 1),
                "recall": recall,
                **rank(weights),
                "true_positives": tp,
                "true_negatives": tn,
                "false_positives": called[1] - tp,
                "false_negatives": positive - tp,
            }

    return measure_sample


def rank_by(scores, labels):
    """Returns a function as `weighted` does, of roc_auc and average_precision: how well the scores rank the reviews.

    Args:
      scores: float array (reviews,), of label 1.
      labels: int array (reviews,), of 0 and 1.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan))  # equal scores are one threshold

    def measure_sample(weights):
        sorted_weights = weights[:, order]
        positive = np.add.reduceat(sorted_weights * labels[order], starts, axis=1)
        negative = np.add.reduceat(sorted_weights, starts, axis=1) - positive
        below = np.cumsum(negative, axis=1) - negative / 2
        hits, called = (np.cumsum(each[:, ::-1], axis=1)[:, ::-1] for each in (positive, positive + negative))
        positives = positive.sum(axis=1)
        return {
            "roc_auc": (positive * below).sum(axis=1) / (positives * negative.sum(axis=1)),
            "average_precision": (positive * hits / np.maximum(called, 1)).sum(axis=1) / positives,
        }

    return measure_sample


def measure(labels, probabilities):
    """Returns {name: value}: accuracy, loss, ece, and the metrics that eval_results.txt has under the same names.

    Args:
      labels: int array (reviews,); of two labels, 1 is the positive one, and both must occur.
      probabilities: float array (reviews, labels).
    Loss is the mean cross-entropy in nats, ece the expected calibration error of BINS bins. Of two labels the metrics
    are the notebook's, of more they are the means of the labels' precision, recall and F1. auc is the notebook's, of
    predicted labels and not of scores: what tf.metrics.auc then gives is (recall + specificity) / 2. That of scores, as
    scikit-learn's roc_auc_score has it, is roc_auc, and average_precision is average_precision_score's. f1_score is the
    notebook's too, the best over thresholds: what tf.contrib.metrics.f1_score then gives is the F1 of the labels or of
    calling every review positive, whichever is more. The plain F1 of the labels is f1.
    """
    measured = weighted(labels, probabilities)(np.ones((1, len(labels))))
    return {name: int(value[0]) if name in COUNTS else float(value[0]) for name, value in measured.items()}


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

    The means of an empty bin are NaN.
    """
    bins, correct = bin_of(probabilities), probabilities.argmax(axis=1) == labels
    sizes = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return (
            sizes,
            np.bincount(bins, probabilities.max(axis=1), minlength=BINS) / sizes,
            np.bincount(bins, correct, minlength=BINS) / sizes,
        )


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
