"""Writes the sections of the page as Markdown, from what report.compare has read."""

import datetime

import numpy as np

from infer.text.labels import LABELS
from infer.text.long import count
from infer.text.metrics import MATRIX, most_confused, precision_recall_f1
from report import ablation
from report.metrics import calibration_error, confusion, measure, plain_f1
from report.page import escape, table
from report.read import COUNTS, metric_names
from report.setting import ROWS, differs, format_value

PLAIN_F1 = "F1 of the counts"
BINARY = (
    "The notebook's auc is of predicted labels, not of scores, and so is ours. Its f1_score, and ours, is the best "
    "over thresholds, one of which calls every review positive: where the model does worse than that, it is not the F1 "
    f"of its labels, which is the row {PLAIN_F1}."
)
MACRO = (
    "A macro metric is the mean over the labels, however many reviews each has. The notebook has none, and what it has "
    "of its own two labels alone is left out."
)
MAX_SHOWN = 50  # reviews, where they are not the guide's four, and labels
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


def write_metrics(results, published, num_labels):
    """Returns the table of metrics.

    Args:
      results: {stage: {metric: float}}.
      published: the content of published.json.
      num_labels: int.
    """
    metrics, counts = metric_names(num_labels)
    columns = {name: entry["metrics"] for name, entry in published.items()} | results
    columns = {name: values | plain_f1_of(values) for name, values in columns.items()}
    rows = []
    for metric in [*metrics, *([PLAIN_F1] if num_labels == 2 else []), *counts]:
        form = "{:.0f}" if metric in counts else "{:.4f}"
        cells = []
        for name, values in columns.items():
            about = "about " if published.get(name, {}).get("approximate") and metric in metrics else ""
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
    others = ["other labels"] * (run["labels"] != LABELS)
    others += [
        f"other {row} ({format_value(ours[row][0])}, there {format_value(theirs[row][0])})"
        for row in ("weights", "reviews")
        if differs(ours[row], theirs[row])
    ]
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
    reviews = len(run["models"]["result1"][0])
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
                *cells,
                f"**{own_cell}**" if others else own_cell,
                "both" if len(others) == len(published) else ", ".join(others),
            ]
        )
    header = ["", *published, "this run", "differs from"]
    return f"{count} of {len(ROWS)} rows differ; they are in bold.\n\n{table(header, rows, 'l')}"


def check_confusion(run):
    """Returns the sentence on whether the IR's confusion matrices are those of TensorFlow's evaluation."""
    if len(run["labels"]) != 2:
        return check_means(run)
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


def check_means(run):
    """Returns check_confusion's sentence where eval_results.txt has only means over the labels."""
    others = []
    for stage, data in run["models"].items():
        results, counts = run["results"][stage], confusion(*data)
        ours = np.array([np.trace(counts) / counts.sum(), *precision_recall_f1(counts).mean(axis=1)])
        names = "eval_accuracy", "macro_precision", "macro_recall", "macro_f1"
        if np.abs(ours - [results[name] for name in names]).max() > 1e-6:  # of float32
            others.append(stage)
    if not others:
        return "They are OpenVINO's, with the accuracy and the means of TensorFlow's in eval_results.txt."
    return f"They are OpenVINO's; TensorFlow's has another accuracy or other means, in {' and '.join(others)}."


def write_by_label(models, labels):
    """Returns the table of what each label is worth, and for many labels that of those taken for one another."""
    counts = {stage: confusion(*data) for stage, data in models.items()}
    scores = np.concatenate([precision_recall_f1(matrix) for matrix in counts.values()])
    (*_, last), (*_, final) = counts, counts.values()
    reviews, names = final.sum(axis=1), [escape(label) for label in labels]
    shown, which = range(len(labels)), "each label"
    if len(labels) > MAX_SHOWN:
        shown = np.argsort(scores[-1], kind="stable")[:MAX_SHOWN]
        which = f"the {MAX_SHOWN} labels with the lowest F1 in {last}; eval_by_label.txt has all"
    header = [f"{stage}: {metric}" for stage in counts for metric in ("precision", "recall", "F1")]
    rows = [[names[i], reviews[i], *map("{:.4f}".format, scores[:, i])] for i in shown]
    text = f"Precision, recall and F1 of {which}:\n\n{table(['label', 'reviews', *header], rows, 'lr')}"
    if len(labels) > MATRIX:
        pairs = [[names[i], names[j], final[i, j]] for i, j in most_confused(final)]
        text += f"\nMost often wrong in {last}:\n\n{table(['label', 'predicted', 'reviews'], pairs, 'llr')}"
    return text


def accuracy_of(answers, chosen):
    """Returns the accuracy of (labels, probabilities) on the chosen reviews, a bool array, as text."""
    labels, probabilities = answers
    return f"{(probabilities.argmax(axis=1) == labels)[chosen].mean():.4f}"


def write_by_length(run):
    """Returns the tables of how well reviews of each length are predicted, by each way to read the longer ones."""
    room, lengths, answers = (run["by_length"][name] for name in ("room", "lengths", "answers"))
    counted, longer = count(lengths, room), lengths > room
    if not longer.any():
        return f"No test review is longer than the {room} WordPieces that the model reads.\n"
    results, guide = run["results"]["result2"], run["models"]["result2"]
    classes = {
        f"up to {room}": ~longer,
        f"up to {2 * room}": longer & (lengths <= 2 * room),
        f"more than {2 * room}": lengths > 2 * room,
    }
    ways = [guide, *answers.values()]
    rows = [
        [name, chosen.sum(), "", *(accuracy_of(way, chosen) for way in ways)]
        for name, chosen in classes.items()
        if chosen.any()
    ]
    every = np.ones(len(lengths), bool)
    rows.append(["all", len(lengths), f"{results['eval_accuracy']:.4f}", *(accuracy_of(way, every) for way in ways)])
    losses = [f"{measure(*way)['loss']:.4f}" for way in ways]
    rows.append(["all: loss", "", f"{results['eval_loss']:.4f}", *losses])
    unread = {long: counted["beyond" if long == "windows" else "cut"] for long in answers}
    read = {long: f"{1 - pieces / counted['pieces']:.1%}" for long, pieces in unread.items()}
    rows.append(["WordPieces read", "", read["cut"], read["cut"], *read.values()])
    effort = {long: f"{counted['windows'] / len(lengths):.2f}" if long == "windows" else "1" for long in answers}
    rows.append(["rows a review", "", "1", "1", *effort.values()])
    right = {long: way[1].argmax(axis=1) == way[0] for long, way in answers.items()}
    gained, lost = (right["windows"] & ~right["cut"]).sum(), (right["cut"] & ~right["windows"]).sum()
    return (
        f"{longer.sum()} of {len(lengths)} test reviews are longer than the {room} WordPieces that the model reads. "
        "Training, TensorFlow and the guide's way read their beginning. What `make score LONG=` makes of them, without "
        f"anything trained again: `cut` the same, `head_tail` their first {room // 4} and their last "
        f"{room - room // 4}, `windows` all of them, in as few windows as hold them. Accuracy by the number of "
        "WordPieces:\n\n"
        + table(["WordPieces", "reviews", "TensorFlow's eval_results.txt", "the guide's way", *answers], rows, "lr")
        + f"\nOf them `windows` gets {gained} right that `cut` gets wrong, and {lost} wrong that `cut` gets right.\n"
    )


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
            *write_task(run["labels"]),
            write_metrics(run["results"], published, len(run["labels"])),
            *(write_comparability(name, run, published) + "\n" for name in published),
            f"{BINARY if len(run['labels']) == 2 else MACRO} All its metrics were measured with its head's "
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
            write_by_label(run["models"], run["labels"]),
            "Of the reviews predicted with a given confidence, the share predicted right: on the dashed line a model "
            "is right as often as it says, below the line less often. The diamonds are at each bin's mean confidence. "
            f"The expected calibration error (ECE) is {errors}.\n",
            "![Reliability diagrams of result1 and result2](reliability.svg)\n",
            "## Long reviews\n",
            write_by_length(run),
            "## Is the second phase needed?\n",
            ablation.to_markdown(run["ablation"], run["labels"]),
            ablation.PICTURE,
            "## Sources\n",
            *sources,
            f"- the notebook's dropout while predicting: google-research/bert issue 499, <{ISSUE_499}>",
            "- this run: eval_results.txt, event files, predictions and the stages' records, in the folder above",
            "- calibration error: Guo et al., On Calibration of Modern Neural Networks, ICML 2017",
            "- CITATION.cff in the repository lists the papers on models and reviews\n",
        ]
    )
