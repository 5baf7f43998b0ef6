"""Writes the sections of the page as Markdown, from what report.compare has read."""

import datetime

import numpy as np

from infer.text.examples import LABELS
from report import ablation
from report.metrics import calibration_error, confusion, plain_f1
from report.page import escape, table
from report.read import COUNTS, METRICS
from report.setting import ROWS, differs, format_value

PLAIN_F1 = "F1 of the counts"
MAX_SHOWN = 50  # reviews, where they are not the guide's four
ISSUE_499 = "https://github.com/google-research/bert/issues/499"


def write_provenance(profile, records):
    """Returns the paragraph on what was run, when, from which commit and on which machine."""
    spans = []
    for stage in ("result1", "result2"):
        start = datetime.datetime.fromisoformat(records[stage]["start"]).astimezone(datetime.UTC)
        spans.append(f"{stage} on {start:%Y-%m-%d at %H:%M} UTC in {records[stage]['seconds']:.0f} s")
    commits = {}
    for stage, record in records.items():
        commit = f"commit {record['git_commit'][:12]}" if record["git_commit"] else "no known commit"
        commits.setdefault(commit + (" with uncommitted changes" if record["git_dirty"] else ""), []).append(stage)
    if len(commits) == 1:
        source = f"from {next(iter(commits))}"
    else:
        source = "from " + ", ".join(f"{commit} ({', '.join(stages)})" for commit, stages in commits.items())
    first = records["result1"]
    machine = f"{escape(str(first['cpu']))}, {first['cores']} cores"
    return f"Profile {escape(profile)}, {' and '.join(spans)}, on {machine}, {source}.\n"


def plain_f1_of(metrics):
    """Returns {PLAIN_F1: value} from the counts in {metric: value}, empty where it has none."""
    counts = [metrics.get(name) for name in ("true_positives", "false_positives", "false_negatives")]
    return {} if None in counts else {PLAIN_F1: plain_f1(*counts)}


def write_metrics(results, published):
    """Returns the table of metrics.

    Args:
      results: {stage: {metric: float}}.
      published: the content of published.json.
    """
    columns = {name: entry["metrics"] for name, entry in published.items()} | results
    columns = {name: values | plain_f1_of(values) for name, values in columns.items()}
    rows = []
    for metric in [*METRICS, PLAIN_F1, *COUNTS]:
        form = "{:.0f}" if metric in COUNTS else "{:.4f}"
        cells = []
        for name, values in columns.items():
            about = "about " if published.get(name, {}).get("approximate") and metric in METRICS else ""
            cells.append(about + form.format(values[metric]) if metric in values else "")
        for stage in results:
            pair = columns["notebook"].get(metric), columns[stage].get(metric)
            cells.append("" if None in pair else form.replace(":", ":+").format(pair[1] - pair[0]))
        rows.append([metric, *cells])
    return table(["metric", *columns, *(f"{stage} minus notebook" for stage in results)], rows, "lr")


def write_seeds(rows):
    """Returns how much the accuracy of result2 differs over the seeds of the ablation's rows, as a clause."""
    accuracies = [row["accuracy"] for row in rows if row["variant"] == "second-phase"]
    if len(accuracies) == 1:
        return "how much, one seed cannot tell"
    deviation = np.std(accuracies, ddof=1)
    return f"over {len(accuracies)} seeds the standard deviation of result2's accuracy is {deviation:.4f}"


def write_comparability(name, run, published):
    """Returns the sentences on whether this run's numbers can be compared with those of `name`."""
    ours, theirs = run["setup"], published[name]["setup"]
    others = [
        f"other {row} ({format_value(ours[row][0])}, there {format_value(theirs[row][0])})"
        for row in ("weights", "reviews")
        if differs(ours[row], theirs[row])
    ]
    if others:
        return (
            f"Not comparable with the {name}: {escape(' and '.join(others))}. This run is no reproduction of its "
            "numbers, and the differences from them say nothing about either."
        )
    reviews = sum(int(run["results"]["result1"][count]) for count in COUNTS[:4])
    accuracy = published[name]["metrics"]["eval_accuracy"]
    margin = 1.96 * np.sqrt(2 * accuracy * (1 - accuracy) / reviews)
    rest = ", ".join(ROWS[row] for row in ROWS if differs(ours[row], theirs[row]))
    return (
        f"Comparable with the {name}: the same weights and the same corpus. Between two samples of {reviews} test "
        f"reviews, one model's accuracy differs by up to {margin:.4f} in 19 of 20 cases. A run with another seed is "
        "another model, too, of other training reviews, first weights, batches and dropout, so it differs by more: "
        f"{write_seeds(run['ablation']['rows'])}. What else differs: {rest or 'nothing'}."
    )


def write_reviews(run, published):
    """Returns the table of the reviews' probabilities, with the published ones if they are the guide's four reviews."""
    sources = {"this run, " + engine: rows for engine, rows in run["predictions"].items()}
    theirs = {
        "notebook": [
            (r, np.exp(logs).tolist(), label) for r, *logs, label in published["notebook"]["log_probabilities"]
        ],
        "guide": [(r, probabilities, label) for r, *probabilities, label in published["guide"]["probabilities"]],
    }
    reviews = [review for review, _, _ in run["predictions"]["OpenVINO"]]
    if reviews == [review for review, _, _ in theirs["guide"]]:
        sources = theirs | sources
        note = "The notebook gives log-probabilities; here are their exponentials."
    else:
        note = (
            "These are not the guide's four reviews, so there is nothing published beside them: "
            "`make predict compare` without REVIEWS= predicts those."
        )
        if len(reviews) > MAX_SHOWN:
            note += f" The first {MAX_SHOWN} of {len(reviews)}:"
    rows = []
    for number, review in enumerate(reviews[:MAX_SHOWN]):
        for place, (source, predictions) in enumerate(sources.items()):
            _, probabilities, label = predictions[number]
            rows.append([escape(review) if place == 0 else "", source, *(f"{p:.5f}" for p in probabilities), label])
    closing = f"\n{run['closing'][0].upper()}{run['closing'][1:]}.\n" if run["closing"] else ""
    return f"{note}\n\n{table(['review', 'source', *LABELS, 'label'], rows, 'llrrl')}{closing}"


def write_setup(ours, published):
    """Returns the table of setups, with differences in bold."""

    def show(value, note=None):
        return escape(format_value(value)) + (f" ({escape(note)})" if note else "")

    rows, count = [], 0
    for row, title in ROWS.items():
        others = [name for name, entry in published.items() if differs(ours[row], entry["setup"][row])]
        count += bool(others)
        cells = [show(*entry["setup"][row]) for entry in published.values()]
        own_cell = show(*ours[row])
        rows.append(
            [
                title,
                *cells,
                f"**{own_cell}**" if others else own_cell,
                "both" if len(others) == len(published) else ", ".join(others),
            ]
        )
    header = ["", *published, "this run", "differs from"]
    return f"{count} of {len(ROWS)} rows differ; they are in bold.\n\n{table(header, rows, 'l')}"


def check_confusion(run):
    """Returns the sentence on whether the IR's confusion matrices are those of TensorFlow's evaluation."""
    differences = []
    for stage, data in run["models"].items():
        (tn, fp), (fn, tp) = confusion(*data)
        difference = sum(
            abs(count - run["results"][stage][name]) for name, count in zip(COUNTS, (tp, tn, fp, fn), strict=False)
        )
        if difference:
            differences.append(f"{difference / 2:.0f} of {stage}'s")
    if not differences:
        return "They are OpenVINO's and count the same as TensorFlow's in eval_results.txt."
    return f"They are OpenVINO's; TensorFlow's, in eval_results.txt, has {' and '.join(differences)} in other cells."


def write_page(profile, run, published):
    """Returns the page as Markdown."""
    errors = ", ".join(f"{calibration_error(*data):.4f} for {stage}" for stage, data in run["models"].items())
    curves = "Loss and accuracy against steps: training a batch at a time, evaluation on all test reviews."
    if not all(phase["accuracy"]["train"] for phase in run["curves"].values()):
        curves += " These event files hold no training accuracy."
    sources = [
        f"- {name}: {entry['title']}" + (f", <{entry['url']}>" if entry["url"] else "")
        for name, entry in published.items()
    ]
    return "\n".join(
        [
            "# This run beside the notebook and the guide\n",
            write_provenance(profile, run["records"]),
            "## Metrics\n",
            write_metrics(run["results"], published),
            *(write_comparability(name, run, published) + "\n" for name in published),
            "The notebook's auc is of predicted labels, not of scores, and so is ours. Its f1_score, and ours, is the "
            "best over thresholds, one of which calls every review positive: where the model does worse than that, it "
            f"is not the F1 of its labels, which is the row {PLAIN_F1}. All its metrics were measured with its head's "
            "dropout on.\n",
            "## Reviews\n",
            write_reviews(run, published),
            "## Setup\n",
            write_setup(run["setup"], published),
            "## Training\n",
            f"{curves}\n",
            "![Loss and accuracy against steps, both phases](training.svg)\n",
            "## Errors and calibration\n",
            f"Test reviews by label and predicted label. {check_confusion(run)}\n",
            "![Confusion matrices of result1 and result2](confusion.svg)\n",
            "Of the reviews predicted with a given confidence, the share predicted right: on the dashed line a model "
            "is right as often as it says, below the line less often. The diamonds are at each bin's mean confidence. "
            f"The expected calibration error (ECE) is {errors}.\n",
            "![Reliability diagrams of result1 and result2](reliability.svg)\n",
            "## Is the second phase needed?\n",
            ablation.to_markdown(run["ablation"]),
            ablation.PICTURE,
            "## Sources\n",
            *sources,
            f"- the notebook's dropout while predicting: google-research/bert issue 499, <{ISSUE_499}>",
            "- this run: eval_results.txt, event files, predictions and the stages' records, in the folder above",
            "- calibration error: Guo et al., On Calibration of Modern Neural Networks, ICML 2017",
            "- CITATION.cff in the repository lists the papers on models and reviews\n",
        ]
    )
