"""Writes the sections of the page as Markdown, from what report.compare has read."""

import datetime

import numpy as np

from infer.text.labels import LABELS
from report import ablation, mistakes, scores
from report.page import escape, show, table
from report.setting import ROWS, differs, format_value

MAX_SHOWN = 50  # reviews, where they are not the guide's four
MAX_COLUMNS = 8  # labels, up to which each has a column
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


def write_reviews(run, published):
    """Returns the table of the reviews' probabilities, with the published ones if they are the guide's four reviews."""
    labels = run["labels"]
    sources = {"this run, " + engine: rows for engine, rows in run["predictions"].items()}
    theirs = {
        "notebook": [
            (r, np.exp(logs).tolist(), label) for r, *logs, label in published["notebook"]["log_probabilities"]
        ],
        "guide": [(r, probabilities, label) for r, *probabilities, label in published["guide"]["probabilities"]],
    }
    reviews = [review for review, _, _ in run["predictions"]["OpenVINO"]]
    if reviews == [review for review, _, _ in theirs["guide"]] and labels != LABELS:
        note = "The notebook and the guide answer these reviews with labels of their own."
    elif reviews == [review for review, _, _ in theirs["guide"]]:
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
            if len(labels) <= MAX_COLUMNS:
                cells = [*(f"{p:.5f}" for p in probabilities), escape(label)]
            else:
                most = sorted(zip(probabilities, labels, strict=True), key=lambda pair: -pair[0])[:3]
                cells = [cell for p, name in most for cell in (escape(name), f"{p:.5f}")]
            rows.append([escape(review) if place == 0 else "", source, *cells])
    if len(labels) <= MAX_COLUMNS:
        header, align = [*map(escape, labels), "label"], "r" * len(labels) + "l"
    else:
        header, align = ["label", "probability", "second", "probability", "third", "probability"], "lrlrlr"
    closing = f"\n{run['closing'][0].upper()}{run['closing'][1:]}.\n" if run["closing"] else ""
    return f"{note}\n\n{table(['review', 'source', *header], rows, 'll' + align)}{closing}"


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
                f"**{own_cell}**" if others else own_cell,
                *cells,
                "both" if len(others) == len(published) else ", ".join(others),
            ]
        )
    header = ["what", "this run", *published, "differs from"]
    return f"{count} of {len(ROWS)} rows differ; they are in bold.\n\n{table(header, rows, 'l')}"


def pictures(name, stages, what):
    """Returns the pictures NAME-STAGE.svg side by side."""
    return " ".join(f"![{what} of {stage}]({name}-{stage}.svg)" for stage in stages) + "\n"


def write_page(profile, run, published):
    """Returns the page as Markdown."""
    stages = [*run["models"]]
    errors = ", ".join(f"{show(run['estimates'][stage]['ece']).replace('<br>', ' (')}) for {stage}" for stage in stages)
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
            *scores.write_task(run["labels"]),
            scores.write_metrics(run, published),
            f"{scores.INTERVALS}\n",
            "![Accuracy with 95% intervals, as in the table](accuracy.svg)\n",
            "What follows, at the level of 0.05:\n",
            scores.write_findings(run, published),
            *(scores.write_comparability(name, run, published) + "\n" for name in published),
            f"{scores.BINARY if len(run['labels']) == 2 else scores.MACRO} All its metrics were measured with its "
            "head's dropout on.\n",
            "## Reviews\n",
            write_reviews(run, published),
            "## Setup\n",
            write_setup(run["setup"], published),
            "## Training\n",
            f"{curves}\n",
            pictures("training", stages, "Loss and accuracy against steps"),
            "## Errors and calibration\n",
            f"Test reviews by label and predicted label. {mistakes.check_confusion(run)}\n",
            pictures("confusion", stages, "Confusion matrix"),
            mistakes.write_by_label(run["models"], run["labels"]),
            mistakes.write_mistakes(run),
            "Of the reviews predicted with a given confidence, the share predicted right: on the dashed line a model "
            "is right as often as it says, below the line less often. The diamonds are at each bin's mean confidence. "
            f"The expected calibration error (ECE) is {errors}.\n",
            pictures("reliability", stages, "Reliability diagram"),
            "## Length\n",
            mistakes.write_accuracy_by_length(run),
            pictures("length", stages, "Accuracy by length"),
            "## Long reviews\n",
            mistakes.write_by_length(run),
            "## Is the second phase needed?\n",
            ablation.to_markdown(run["ablation"], run["labels"]),
            ablation.PICTURE,
            "## Sources\n",
            *sources,
            f"- the notebook's dropout while predicting: google-research/bert issue 499, <{ISSUE_499}>",
            "- this run: eval_results.txt, event files, predictions and the stages' records, in the folder above",
            "- calibration error: Guo et al., On Calibration of Modern Neural Networks, ICML 2017",
            "- intervals and tests: SciPy's binomtest, bootstrap, fisher_exact and ttest_1samp",
            "- CITATION.cff in the repository lists the papers on models and reviews\n",
        ]
    )
