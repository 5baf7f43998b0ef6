"""One temperature for a classifier, by which its probabilities become as often right as they say, and what that gives.

Logits are divided by it before the softmax: no label changes, and folded into the head it costs nothing. NumPy alone.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; Brier, "Verification of Forecasts Expressed
in Terms of Probability", 1950.
"""

import json
import sys
from pathlib import Path

import numpy as np

from infer.head import softmax
from infer.text.metrics import align

BINS = 15  # of the expected calibration error, as Guo et al.
LOWEST, HIGHEST = 0.05, 20.0  # a temperature beyond these is none that reviews tell
LEAST = 100  # reviews to find one on
DIGITS = 4  # so that machines whose logits differ in their last digits find the same


def check_enough(labels):
    """Raises ValueError if the texts with these labels, a sequence of ids, are too few or of one label alone."""
    if len(labels) < LEAST:
        raise ValueError(f"{len(labels)} texts to calibrate on: a temperature takes at least {LEAST}")
    if len({*labels}) < 2:
        raise ValueError(f"all its {len(labels)} texts have the same label: a temperature takes texts of several")


def find_temperature(logits, labels):
    """Returns the temperature at which softmax(logits / temperature) has the smallest mean cross-entropy.

    That is convex in 1 / temperature, and its slope there is by how much the logit that is expected of a review exceeds
    that of its label; where the slope is 0 is found by bisection.

    Args:
      logits: float array (reviews, labels).
      labels: int array (reviews,), their ids.
    Raises: ValueError as check_enough, or if the logits are not finite, or the temperature is not within LOWEST and
      HIGHEST.
    """
    check_enough(labels)
    if not np.isfinite(logits).all():
        raise ValueError("the classifier computes what is NaN or infinite: make it of another checkpoint")
    logits = np.asarray(logits, float)
    of_label = logits[np.arange(len(labels)), labels].mean()

    def slope(inverse):
        return (softmax(inverse * logits) * logits).sum(axis=1).mean() - of_label

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        raise ValueError("the classifier's answers tell next to nothing of these labels: check them, or train longer")
    if slope(high) <= 0:
        raise ValueError("the classifier is as good as never wrong on these texts: give some that it has not seen")
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return round(1 / high, DIGITS)


def fold(weight, bias, temperature):
    """Returns the head (weight, bias) whose logits are those of (weight, bias) divided by a temperature, float32."""
    return weight / np.float32(temperature), bias / np.float32(temperature)


def heat(probabilities, temperature):
    """Returns the float probabilities (texts, labels) that their logits have at a temperature.

    1 / temperature undoes it: logarithms of probabilities are logits, up to what a softmax does not see.
    """
    with np.errstate(divide="ignore"):  # of 0, which stays 0
        return softmax(np.log(np.asarray(probabilities, float)) / temperature)


def bin_of(probabilities):
    """Returns int array (reviews,): the bin of each review's confidence, the probability of its predicted label.

    Bin i of BINS holds those in (i / BINS, (i + 1) / BINS], as in Guo et al.
    """
    return np.ceil(probabilities.max(axis=1) * BINS).astype(int) - 1


def measure(labels, probabilities):
    """Returns {name: value} of how good probabilities are, each the less the better, and of the labels' accuracy.

    Args:
      labels: int array (reviews,).
      probabilities: float array (reviews, labels).
    Loss is the mean cross-entropy in nats; Brier the mean over reviews of the squared errors of all labels'
    probabilities, added up, 0 to 2; ECE the expected calibration error of BINS bins.
    """
    every, right = np.arange(len(labels)), probabilities.argmax(axis=1) == labels
    of_label = np.maximum(probabilities[every, labels], np.finfo(np.float32).tiny)
    errors = probabilities - np.eye(probabilities.shape[1])[labels]
    off = np.bincount(bin_of(probabilities), right - probabilities.max(axis=1), BINS)
    return {
        "accuracy": float(right.mean()),
        "loss": float(-np.log(of_label).mean()),
        "Brier": float((errors**2).sum(axis=1).mean()),
        "ECE": float(np.abs(off).sum() / len(labels)),
    }


def compare(sets, temperature):
    """Measures probabilities as they are and at a temperature.

    Args:
      sets: {name: (labels (reviews,), uncalibrated probabilities (reviews, labels))}.
    Returns: {name and which: {"texts": int, and what `measure` has, rounded}}.
    """
    compared = {}
    for name, (labels, probabilities) in sets.items():
        for state, divisor in (("uncalibrated", 1), ("calibrated", temperature)):
            measured = measure(labels, heat(probabilities, divisor))
            rounded = {metric: round(value, DIGITS) for metric, value in measured.items()}
            compared[f"{name}, {state}"] = {"texts": len(labels), **rounded}
    return compared


def write_table(temperature, compared):
    """Returns what `compare` returned as lines of text."""
    header = [f"temperature {temperature:g}", *next(iter(compared.values()))]
    rows = [
        [name, *(f"{value:.{DIGITS}f}" if isinstance(value, float) else str(value) for value in measured.values())]
        for name, measured in compared.items()
    ]
    return align([header, *rows]) + "\n"


def read_found(path):
    """Returns the temperature in the temperature.json that infer.calibrate wrote; exits with one line if it is none."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))["temperature"]
        if type(found) is not float or not LOWEST <= found <= HIGHEST:
            raise ValueError(f"{found!r} is no temperature")
        return found
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or str(error)
        sys.exit(f"{path}: cannot read the temperature: {why}: make it with `make classifier CALIBRATE=1`")
