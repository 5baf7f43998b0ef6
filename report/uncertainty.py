"""How far a number may be off, and whether two differ: intervals of 95%, and tests, all by scipy.stats.

What an interval is over: of a share of the reviews (accuracy, precision, recall) Wilson's, of all else the percentiles
of a bootstrap over the test reviews. Both say what other test reviews of the same kind would have given the same model;
that another training would have made another model is in neither, only in the intervals over seeds.

Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927; Efron and Tibshirani, "An
Introduction to the Bootstrap", 1993; McNemar, "Note on the sampling error of the difference between correlated
proportions", 1947, whose exact form is the sign test.
"""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.sparse import csr_array

from report.metrics import COUNTS, measure, weighted

LEVEL = 0.95
RESAMPLES = 2000
AT_ONCE = 1_000_000  # weights of reviews in memory


class Estimate(NamedTuple):
    """A value and the ends of its 95% interval, which are None where the reviews are too few for one."""

    value: float
    low: float | None = None
    high: float | None = None


def proportion(right, total):
    """Returns the Estimate of a share, with Wilson's interval."""
    interval = stats.binomtest(round(right), round(total)).proportion_ci(LEVEL, method="wilson")
    return Estimate(float(right / total), float(interval.low), float(interval.high))


def over_seeds(values, bounds=(-np.inf, np.inf)):
    """Returns the Estimate of a mean over seeds, with Student's interval, within bounds; of one seed without."""
    if len(values) < 2:
        return Estimate(float(np.mean(values)))
    mean = float(np.mean(values))
    if np.ptp(values) == 0:
        return Estimate(mean, mean, mean)
    interval = stats.ttest_1samp(values, 0).confidence_interval(LEVEL)
    return Estimate(mean, *(float(np.clip(end, *bounds)) for end in interval))


def estimate(models, pairs=()):
    """Measures models on the same reviews, by one bootstrap over these.

    Args:
      models: {name: list of (labels (reviews,), probabilities (reviews, labels)), a run each}; a metric is their mean.
      pairs: (first, second) names, to tell the differences of: second minus first, of the same samples of reviews.
    Returns: ({name: {metric: Estimate}}, {pair: {metric: Estimate}}), the metrics being measure's but for the counts.
    """
    measured = {name: [measure(*run) for run in runs] for name, runs in models.items()}
    metrics = [metric for metric in next(iter(measured.values()))[0] if metric not in COUNTS]
    values = {
        name: {metric: np.mean([run[metric] for run in runs]) for metric in metrics} for name, runs in measured.items()
    }
    samplers = {name: [weighted(*run) for run in runs] for name, runs in models.items()}
    reviews = len(next(iter(models.values()))[0][0])

    def measure_samples(drawn, axis=-1):
        weights = count_drawn(np.atleast_2d(drawn), reviews)
        found = {}
        for name, runs in samplers.items():
            each = [measure_sample(weights) for measure_sample in runs]
            found[name] = np.array([np.mean([run[metric] for run in each], axis=0) for metric in metrics])
        found |= {pair: found[pair[1]] - found[pair[0]] for pair in pairs}
        found = np.array([*found.values()])
        return found if np.ndim(drawn) > 1 else found[..., 0]

    # A sample has some reviews twice and others not at all, so its ECE is larger than that of all: the basic interval
    # takes that off again.
    percentile, basic = resample(reviews, measure_samples, ("percentile", "basic"))
    ends = np.where(np.array(metrics)[:, None] == "ece", basic, percentile)
    at = dict(zip([*models, *pairs], ends, strict=True))
    estimates = {}
    for name in models:
        least = [0 if metric == "ece" else -np.inf for metric in metrics]
        estimates[name] = {
            metric: to_estimate(values[name][metric], np.maximum(end, low))
            for metric, end, low in zip(metrics, at[name], least, strict=True)
        }
        if len(models[name]) == 1:
            estimates[name] |= shares_of(*models[name][0], measured[name][0])
    differences = {
        (first, second): {
            metric: to_estimate(values[second][metric] - values[first][metric], end)
            for metric, end in zip(metrics, at[first, second], strict=True)
        }
        for first, second in pairs
    }
    return estimates, differences


def count_drawn(drawn, reviews):
    """Returns float array (samples, reviews): how often each review is in each sample, int array (samples, reviews)."""
    flat = drawn + np.arange(len(drawn))[:, None] * reviews
    return np.bincount(flat.ravel(), minlength=len(drawn) * reviews).reshape(len(drawn), reviews).astype(float)


def to_estimate(value, ends):
    return Estimate(float(value), *map(float, ends)) if np.isfinite(ends).all() else Estimate(float(value))


def shares_of(labels, probabilities, counts):
    """Returns {metric: Estimate} of those that are shares, from the counts in what `measure` returned."""
    right = (probabilities.argmax(axis=1) == labels).sum()
    found = {"accuracy": proportion(right, len(labels))}
    if COUNTS[0] in counts:
        for metric, other in (("precision", "false_positives"), ("recall", "false_negatives")):
            total = counts["true_positives"] + counts[other]
            found[metric] = proportion(counts["true_positives"], total) if total else Estimate(0.0)
    return found


def estimate_by_label(counts, labels, predicted):
    """Returns (precision, recall, F1): lists of an Estimate a label, as report.metrics' Wilson and bootstrap have them.

    Args:
      counts: int array (labels, labels), as of report.metrics.confusion.
      labels, predicted: int arrays (reviews,).
    """
    given, called, right = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    shares = [
        [proportion(hits, total) if total else Estimate(0.0) for hits, total in zip(right, totals, strict=True)]
        for totals in (called, given)
    ]
    every, ids = np.arange(len(labels)), np.arange(len(counts))
    both = csr_array(
        (np.ones(2 * len(every)), (np.tile(every, 2), np.append(labels, predicted))), (len(every), len(ids))
    )
    hits = csr_array((labels == predicted).astype(float)[:, None] * (labels[:, None] == ids))

    def f1_of(weights):
        return 2 * (hits.T @ weights.T) / np.maximum(both.T @ weights.T, 1)

    def measure_samples(drawn, axis=-1):
        found = f1_of(count_drawn(np.atleast_2d(drawn), len(labels)))
        return found if np.ndim(drawn) > 1 else found[..., 0]

    (ends,) = resample(len(labels), measure_samples, ("percentile",))
    values = f1_of(np.ones((1, len(labels))))[:, 0]
    return *shares, [to_estimate(value, end) for value, end in zip(values, ends, strict=True)]


def resample(reviews, measure_samples, methods):
    """Returns a list of float arrays (…, 2), the ends of the 95% intervals by each method of scipy.stats.bootstrap.

    Args:
      reviews: int, their number.
      measure_samples: function of an int array (samples, reviews) of reviews drawn, or of one sample (reviews,), to a
        float array (…, samples) or (…).
      methods: list of str; all are of the same samples.
    """
    found, options = [], {"n_resamples": RESAMPLES, "bootstrap_result": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # where a sample lacks a label: no interval
        for method in methods:
            result = stats.bootstrap(
                (np.arange(reviews),),
                measure_samples,
                confidence_level=LEVEL,
                method=method,
                vectorized=True,
                batch=max(AT_ONCE // reviews, 1),
                rng=0,
                **options,
            )
            options = {"n_resamples": 0, "bootstrap_result": result}
            found.append(np.stack(result.confidence_interval, axis=-1))
    return found


class Paired(NamedTuple):
    """Two models on the same reviews: how many only the second has right, how many only the first, and McNemar's p."""

    gained: int
    lost: int
    p_value: float


def mcnemar(labels, first, second):
    """Compares two models on the same reviews by McNemar's exact test; returns Paired.

    Args:
      labels, first, second: int arrays (reviews,), the labels and those that each predicts.
    """
    gained, lost = (int(((a == labels) & (b != labels)).sum()) for a, b in ((second, first), (first, second)))
    p_value = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return Paired(gained, lost, float(p_value))


def compare_shares(first, second):
    """Returns Fisher's exact p of two shares of different reviews, each (right, total), whole numbers."""
    table = [(right, total - right) for right, total in (first, second)]
    return float(stats.fisher_exact(table).pvalue)
