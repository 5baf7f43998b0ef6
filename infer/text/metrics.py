"""What a classifier is worth by label, from its confusion matrix, as text. NumPy alone, on Python 3.7 as well."""

import numpy as np

MATRIX = 20  # labels, up to which the confusion matrix is shown whole
CONFUSED = 20  # pairs of labels that are most often taken for each other, where it is not


def precision_recall_f1(counts):
    """Returns float array (3, labels): precision, recall and F1 of each label, 0 where one is undefined.

    Args:
      counts: int array (labels, labels): the number of texts by label (row) and predicted label (column).
    Source: as scikit-learn's precision_recall_fscore_support with zero_division=0.
    """
    right, given, called = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return np.array([right / np.maximum(n, 1) for n in (called, given)] + [2 * right / np.maximum(given + called, 1)])


def write_metrics(counts, labels):
    """Returns the accuracy, precision, recall and F1 of each label and their means, and the confusion matrix, as text.

    Args:
      counts: as in precision_recall_f1; of at least one text.
      labels: list of str.
    """
    scores = precision_recall_f1(counts)
    given = counts.sum(axis=1)
    rows = [["label", "texts", "precision", "recall", "F1"]]
    rows += [[label, str(n), *map("{:.4f}".format, row)] for label, n, row in zip(labels, given, scores.T)]
    rows.append(["mean of the labels", str(given.sum()), *map("{:.4f}".format, scores.mean(axis=1))])
    parts = [f"accuracy: {np.diag(counts).sum() / given.sum():.4f}", align(rows)]
    if len(labels) <= MATRIX:
        table = [["label \\ predicted", *labels]] + [[label, *map(str, row)] for label, row in zip(labels, counts)]
        parts.append(align(table))
    else:
        pairs = [[labels[i], labels[j], str(counts[i, j])] for i, j in most_confused(counts)]
        parts.append(align([["label", "predicted", "texts"], *pairs]))
    return "\n\n".join(parts) + "\n"


def most_confused(counts):
    """Returns the at most CONFUSED pairs (label's id, predicted label's id) that are wrong and most frequent."""
    wrong = counts - np.diag(np.diag(counts))
    most = [divmod(int(i), len(counts)) for i in np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]]
    return [pair for pair in most if wrong[pair]]


def align(rows):
    """Returns rows of str as lines of columns, those of numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    number = [all(cell.replace(".", "").isdigit() for cell in column[1:]) for column in zip(*rows)]
    put = [str.rjust if right else str.ljust for right in number]
    return "\n".join("  ".join(f(cell, n) for f, cell, n in zip(put, row, widths)).rstrip() for row in rows)
