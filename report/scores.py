"""The section on what the models of a run are worth: metrics with intervals, and what follows beside other numbers."""

import functools

import numpy as np

from infer.text.labels import LABELS
from report.metrics import COUNTS, plain_f1
from report.page import escape, show, show_change, show_half, show_p, table
from report.read import metric_names
from report.setting import ROWS, differs, format_value
from report.uncertainty import Estimate, compare_shares, estimate, mcnemar, proportion

ALPHA = 0.05
PLAIN_F1 = "F1 of the counts"
BASELINE = "one answer for all"
# eval_results.txt's name: that of report.metrics.measure, where it is another, and of the page.
MEASURED = {"eval_accuracy": "accuracy"}
SHOWN = {"auc": "auc (of labels)"}
# What eval_results.txt does not have.
OF_SCORES = {"roc_auc": "ROC AUC of scores", "average_precision": "average precision of scores", "ece": "ECE"}
BINARY = (
    "The notebook's auc is of predicted labels, not of scores: (recall + specificity) / 2. So is ours in that row; "
    f"{OF_SCORES['roc_auc']} is the usual one, of which the notebook has none. Its f1_score, and ours, is the best "
    "over thresholds, one of which calls every review positive: where the model does worse than that, it is not the F1 "
    f"of its labels, which is the row {PLAIN_F1}."
)
MACRO = (
    "A macro metric is the mean over the labels, however many reviews each has. The notebook has none, and what it has "
    "of its own two labels alone is left out."
)
INTERVALS = (
    "Below a value is its 95% interval: Wilson's for accuracy, precision and recall, for the others that of a "
    "bootstrap over the test reviews; below result2 minus result1 that of a paired bootstrap, as both answer the same "
    "reviews. In sentences ± is half of an interval. It says what other test reviews of the kind would have given the "
    "same model, not what another training would have made. Counts are set against those of as many reviews of each "
    "label alone."
)


def plain_f1_of(metrics):
    """Returns {PLAIN_F1: value} from the counts in {metric: value}, empty where it has none."""
    counts = [metrics.get(name) for name in ("true_positives", "false_positives", "false_negatives")]
    return {} if None in counts else {PLAIN_F1: plain_f1(*counts)}


def write_task(labels):
    """Returns the paragraph on a run whose labels are not the guide's, nothing for one whose are."""
    if labels == LABELS:
        return []
    of = f" Precision, recall, F1 and the counts here are of {escape(labels[1])}." if len(labels) == 2 else ""
    return [
        "The notebook's and the guide's numbers are of another task, with the two labels Negative and Positive; this "
        f"run has {len(labels)} of its own, which a table below lists.{of}\n"
    ]


def estimate_published(entry):
    """Returns {measure's name: Estimate} of an entry of published.json, as far as its counts or their number tell."""
    metrics, reviews = entry["metrics"], entry["test_reviews"]
    found = {"accuracy": proportion(metrics["eval_accuracy"] * reviews, reviews)}
    counts = [metrics.get(name) for name in COUNTS]
    return found if None in counts else found | estimate_counts(*counts)


@functools.cache
def estimate_counts(*counts):
    """Returns {measure's name: Estimate} of the metrics of predicted labels, which are made of the four COUNTS."""
    labels, predicted = (np.repeat(ids, counts) for ids in ([1, 0, 0, 1], [1, 0, 1, 0]))
    measured = estimate({"published": [(labels, np.eye(2)[predicted])]})[0]["published"]
    return {name: measured[name] for name in ("auc", "f1", "f1_score", "precision", "recall")}


def find_baseline(labels):
    """Returns (the most frequent label's id, the Estimate of how often it is right) of labels, int array (reviews,)."""
    counts = np.bincount(labels)
    return counts.argmax(), proportion(counts.max(), len(labels))


def write_metrics(run, published):
    """Returns the table of metrics, of the run as report.compare.read_run has it and of published.json."""
    names, counts = metric_names(len(run["labels"]))
    columns = run["results"] | {name: entry["metrics"] for name, entry in published.items()}
    columns = {name: values | plain_f1_of(values) for name, values in columns.items()}
    estimates = run["estimates"] | {name: estimate_published(entry) for name, entry in published.items()}
    notebook = columns["notebook"]
    rows = []
    for name in [*names, *([PLAIN_F1] if PLAIN_F1 in columns["result1"] else [])]:
        measured = {PLAIN_F1: "f1"}.get(name, MEASURED.get(name, name))
        cells = []
        for column, values in columns.items():
            about = "about " * bool(published.get(column, {}).get("approximate"))
            known = estimates[column].get(measured, Estimate(0))
            cells.append(show(known._replace(value=values[name]), about=about) if name in values else "")
        cells.insert(2, show_change(run["differences"][measured]))
        minus = [
            f"{columns[stage][name] - notebook[name]:+.4f}" if name in notebook else "" for stage in run["results"]
        ]
        rows.append([SHOWN.get(name, name), *cells, *minus])
    blank = [""] * (len(published) + len(run["results"]))
    for measured, name in OF_SCORES.items():
        if measured in run["differences"]:
            cells = [show(run["estimates"][stage][measured]) for stage in run["results"]]
            rows.append([name, *cells, show_change(run["differences"][measured]), *blank])
    rows += [write_baselines(run, published), *write_counts(columns, counts, run["results"])]
    header = ["metric", *run["results"], "result2 minus result1", *published]
    return table([*header, *(f"{stage} minus notebook" for stage in run["results"])], rows, "lr")


def write_baselines(run, published):
    """Returns the row of what one answer for all would be right in."""
    cells = [show(find_baseline(labels)[1]) for labels, _ in run["models"].values()]
    cells.append("")
    for entry in published.values():
        tp, tn, fp, fn = (entry["metrics"].get(name, 0) for name in COUNTS)
        cells.append(show(proportion(max(tp + fn, tn + fp), tp + tn + fp + fn)) if tp else "")
    return [f"{BASELINE}: accuracy", *cells, *[""] * len(run["results"])]


def write_counts(columns, counts, stages):
    """Returns the rows of counts, which are set against those of as many reviews of each label alone."""
    totals = {}
    for name, values in columns.items():
        tp, tn, fp, fn = (values.get(count, 0) for count in COUNTS)
        totals[name] = tp + fn, tn + fp
    rows = []
    for name in counts:
        cells = [f"{values[name]:.0f}" if name in values else "" for values in columns.values()]

        def minus(second, first, name=name):
            alike = name in COUNTS and totals[first] == totals[second]
            return f"{columns[second][name] - columns[first][name]:+.0f}" if alike else ""

        cells.insert(2, minus("result2", "result1"))
        rows.append([name, *cells, *(minus(stage, "notebook") for stage in stages)])
    return rows


def say_difference(p_value, change):
    """Returns what follows from a test of two accuracies, the second being by `change` larger."""
    if p_value < ALPHA:
        return "higher" if change > 0 else "lower"
    return "no difference that so many reviews can tell"


def write_findings(run, published):
    """Returns the list of sentences that follow from the metrics: beside one answer for all, each other, and others."""
    labels = next(iter(run["models"].values()))[0]
    most, baseline = find_baseline(labels)
    predicted = {stage: probabilities.argmax(axis=1) for stage, (_, probabilities) in run["models"].items()}
    name = escape(run["labels"][most])
    items = []
    for stage, answers in predicted.items():
        accuracy = run["estimates"][stage]["accuracy"]
        if len(set(answers)) == 1:
            items.append(
                f"**Warning: {stage} answers {escape(run['labels'][answers[0]])} to all {len(labels)} test reviews.** "
                "It tells nothing apart, and a precision, recall or F1 of it says nothing: train longer, or with "
                "another LEARNING_RATE="
            )
            continue
        p_value = mcnemar(labels, np.full(len(labels), most), answers).p_value
        items.append(
            f"{stage} against {BASELINE}, {name}, the most frequent label: {show_half(accuracy)} against "
            f"{show_half(baseline)}: {say_difference(p_value, accuracy.value - baseline.value)} (McNemar's exact "
            f"test, {show_p(p_value)})"
        )
    paired = mcnemar(labels, predicted["result1"], predicted["result2"])
    change = run["differences"]["accuracy"]
    items.append(
        f"result2 against result1, on the same {len(labels)} reviews: {show_change(change, ' ')}, "
        f"{paired.gained} that only result2 has right and {paired.lost} that only result1 has: "
        f"{say_difference(paired.p_value, change.value)} (McNemar's exact test, {show_p(paired.p_value)})"
    )
    for source, entry in published.items():
        others = [*find_others(source, run, published)] or ["the same task"]
        theirs = estimate_published(entry)["accuracy"]
        right = round(theirs.value * entry["test_reviews"])
        about = "about " * bool(entry.get("approximate"))
        for stage, answers in predicted.items():
            ours = run["estimates"][stage]["accuracy"]
            p_value = compare_shares((right, entry["test_reviews"]), ((answers == labels).sum(), len(labels)))
            items.append(
                f"{stage} against the {source}: {show_half(ours)} against {about}{show_half(theirs)}: "
                f"{say_difference(p_value, ours.value - theirs.value)} (Fisher's exact test, {show_p(p_value)}); "
                f"{', '.join(others)}"
            )
    return "\n".join(f"- {item}." for item in items) + "\n"


def find_others(name, run, published):
    """Yields what makes the run's task another than that of `name`, briefly."""
    ours, theirs = run["setup"], published[name]["setup"]
    if run["labels"] != LABELS:
        yield "other labels"
    for row in ("weights", "reviews"):
        if differs(ours[row], theirs[row]):
            yield f"other {row}"


def write_comparability(name, run, published):
    """Returns the sentences on whether this run's numbers can be compared with those of `name`."""
    ours, theirs = run["setup"], published[name]["setup"]
    told = {
        f"other {row}": f" ({format_value(ours[row][0])}, there {format_value(theirs[row][0])})"
        for row in ("weights", "reviews")
    }
    others = [other + told.get(other, "") for other in find_others(name, run, published)]
    if others and all(other.startswith("other weights") for other in others):
        return (
            f"The same task as the {name}'s with {escape(others[0])}: what these weights do on the same corpus, and no "
            "reproduction of its numbers."
        )
    if others:
        return (
            f"Not comparable with the {name}: {escape(' and '.join(others))}. This run is no reproduction of its "
            "numbers, and the differences from them say nothing about either."
        )
    rest = ", ".join(ROWS[row] for row in ROWS if differs(ours[row], theirs[row]))
    return (
        f"Comparable with the {name}: the same weights and the same corpus. A run with another seed is another model, "
        "of other training reviews, first weights, batches and dropout, so it differs by more than the intervals: "
        f"{write_seeds(run['ablation']['rows'])}. What else differs: {rest or 'nothing'}."
    )


def write_seeds(rows):
    """Returns how much the accuracy of result2 differs over the seeds of the ablation's rows, as a clause."""
    accuracies = [row["accuracy"] for row in rows if row["variant"] == "second-phase"]
    if len(accuracies) == 1:
        return "how much, one seed cannot tell"
    deviation = np.std(accuracies, ddof=1)
    return f"over {len(accuracies)} seeds the standard deviation of result2's accuracy is {deviation:.4f}"
