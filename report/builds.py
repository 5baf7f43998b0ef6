"""Sets finished builds side by side: `python -m report.builds OUTPUT_DIR build/minilm build/imdb …`.

A build is a folder that Make made, of whatever profile, seed, texts or checkpoint, whose test reviews are predicted:
by `make ablation`, or by `make by-length`. Writes compare.md, its plot and compare.html to OUTPUT_DIR.
"""

import argparse
import itertools
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from infer.text.labels import read_labels
from infer.text.script import run
from report import plots, read
from report.compare import RESULTS, read_texts, write_folder
from report.metrics import read_probabilities
from report.page import escape, show, show_change, show_half, show_p, table
from report.scores import BASELINE, find_baseline, say_difference
from report.setting import ROWS, archive_name, describe_reviews, describe_weights, format_value
from report.uncertainty import compare_shares, estimate, mcnemar, proportion

# Where the answers to the test reviews are: of those that are there, the last one's are the build's.
ANSWERS = {
    "classifier": "by-length/cut.tsv",
    **{stage: f"ablation/{variant}/probabilities-1.tsv" for stage, variant in RESULTS.items()},
}
METRICS = {
    "accuracy": "accuracy",
    "auc": "auc (of labels)",
    "roc_auc": "ROC AUC of scores",
    "average_precision": "average precision of scores",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "macro_f1": "macro_f1",
    "macro_precision": "macro_precision",
    "macro_recall": "macro_recall",
    "loss": "loss",
    "ece": "ECE",
}
SETUP = (
    "weights reviews sample sample_seed max_seq_length train_batch_size learning_rate num_train_epochs training_seed"
).split()


class Build(NamedTuple):
    """A finished build: its column's name, its labels, test reviews, answers {model: (labels, …)} and setup."""

    name: str
    folder: Path
    labels: list
    texts: list
    answers: dict
    setup: dict

    @property
    def model(self):
        """The name of the model that the column is of."""
        return [*self.answers][-1]

    @property
    def truth(self):
        """The labels of the test reviews, int array (reviews,)."""
        return self.answers[self.model][0]

    @property
    def predicted(self):
        """The labels that the model gives them, int array (reviews,)."""
        return self.answers[self.model][1].argmax(axis=1)


def name_builds(folders):
    """Returns {name: Path} of folders, a name being the path less what all begin with; exits if one is there twice."""
    paths = [os.path.realpath(folder) for folder in folders]
    for folder, path in zip(folders, paths, strict=True):
        if paths.count(path) > 1:
            sys.exit(f"BUILDS=: {folder} is given twice: give each build once")
    if len(folders) < 2:
        sys.exit(f"BUILDS=: only {folders[0]}: give two builds or more, or leave it out for the page of one")
    paths = [Path(os.path.normpath(folder)) for folder in folders]
    if len({path.is_absolute() for path in paths}) == 1:
        common = os.path.commonpath([path.parent for path in paths])
        return {str(path.relative_to(common) if common else path): path for path in paths}
    return {str(path): path for path in paths}


def read_build(name, folder):
    """Returns a Build; exits with one line if the folder is none, or its test reviews are not predicted."""
    if not (folder / "reviews" / "test.jsonl").is_file():
        sys.exit(
            f"BUILDS=: {folder} is no build, it has no reviews/test.jsonl: give folders that make made, "
            "such as build/minilm"
        )
    labels = read_labels(folder / "reviews")
    found = {model: folder / path for model, path in ANSWERS.items() if (folder / path).is_file()}
    if not found:
        sys.exit(
            f"BUILDS=: {folder}: its test reviews are not predicted yet: run `make by-length` with what it was made "
            "with, such as PROFILE= or CHECKPOINT="
        )
    answers = {model: read_probabilities(path, len(labels), "by-length") for model, path in found.items()}
    texts = read_texts(folder, {found[model]: answers[model] for model in found})
    return Build(name, folder, labels, texts, answers, describe_build(folder))


def describe_build(folder):
    """Returns the setup of a build, {row: [value, note]}, as far as its records tell."""
    records = {
        stage: read.read_record(folder, stage)
        for stage in ("reviews", "result1", "pb")
        if (folder / f"{stage}.record.json").is_file()
    }
    setup = describe_reviews(folder, records["reviews"]) if "reviews" in records else {}
    flags = records["result1"]["flags"] if "result1" in records else {}
    setup |= {row: [flags.get(row)] for row in SETUP if row not in ("weights", "reviews", "sample", "sample_seed")}
    setup["training_seed"] = [flags.get("random_seed")]
    if not flags:
        checkpoint = records["pb"]["flags"].get("init_checkpoint") if "pb" in records else None
        return setup | {"weights": [checkpoint, "given as CHECKPOINT" if checkpoint else None]}
    # The weights are the profile's, also of a build of other reviews or another seed.
    start = flags.get("init_checkpoint")
    places = [folder, *([Path(start).parents[1]] if start and len(Path(start).parents) > 1 else [])]
    for place in places:
        if (place / "pretrained.record.json").is_file():
            records["pretrained"] = read.read_record(place, "pretrained")
    if "pretrained" in records or "bert_hub_module_handle" in flags:
        return setup | {"weights": describe_weights(folder, records)}
    return setup | {"weights": [archive_name(start) if start else None]}


def same_reviews(first, second):
    """Tells whether two builds were tested on the same reviews with the same labels, in the same order."""
    alike = first.labels == second.labels and first.texts == second.texts
    return alike and np.array_equal(first.truth, second.truth)


def group(builds):
    """Returns a list of lists of builds, each of those with the same test reviews."""
    groups = []
    for build in builds:
        for others in groups:
            if same_reviews(build, others[0]):
                others.append(build)
                break
        else:
            groups.append([build])
    return groups


def estimate_all(groups):
    """Returns what report.uncertainty.estimate does, of all builds, and of the pairs within a group."""
    estimates, differences = {}, {}
    for builds in groups:
        pairs = [(first.name, second.name) for first, second in itertools.combinations(builds, 2)]
        found = estimate({build.name: [build.answers[build.model]] for build in builds}, pairs)
        estimates, differences = estimates | found[0], differences | found[1]
    return estimates, differences


def write_metrics(builds, estimates):
    """Returns the table of metrics, a column each."""
    rows = [["model", *(build.model for build in builds)], ["test reviews", *(len(build.truth) for build in builds)]]
    rows.append(["labels", *(len(build.labels) for build in builds)])
    for metric, name in METRICS.items():
        cells = [show(estimates[build.name].get(metric)) for build in builds]
        if any(cells):
            rows.append([name, *cells])
    first = {build.name: build.answers.get("result1") for build in builds if build.model != "result1"}
    if any(first.values()):
        cells = [
            show(
                first.get(build.name)
                and proportion((build.truth == first[build.name][1].argmax(axis=1)).sum(), len(build.truth))
            )
            for build in builds
        ]
        rows.append(["accuracy of result1", *cells])
    rows.append([f"{BASELINE}: accuracy", *(show(find_baseline(build.truth)[1]) for build in builds)])
    return table(["metric", *(escape(build.name) for build in builds)], rows, "lr")


def write_groups(groups):
    """Returns the sentence on which builds have the same test reviews."""
    if len(groups) == 1:
        return "All have the same test reviews, so they are compared review by review.\n"
    named = "; ".join(", ".join(escape(build.name) for build in builds) for builds in groups)
    return (
        f"Not all have the same test reviews; those that have are: {named}. Only they are compared review by review, "
        "by McNemar's exact test. Of the others the accuracies are compared as shares of different reviews, by "
        "Fisher's, and of different labels not at all.\n"
    )


def write_findings(builds, estimates, differences):
    """Returns the list of what follows: of each build beside one answer for all, and of each two."""
    items = []
    for build in builds:
        answers = set(build.predicted.tolist())
        if len(answers) == 1:
            items.append(
                f"**Warning: {escape(build.name)} answers {escape(build.labels[answers.pop()])} to all "
                f"{len(build.truth)} test reviews.** It tells nothing apart"
            )
            continue
        most, baseline = find_baseline(build.truth)
        accuracy = estimates[build.name]["accuracy"]
        p_value = mcnemar(build.truth, np.full(len(build.truth), most), build.predicted).p_value
        items.append(
            f"{escape(build.name)} against {BASELINE}, {escape(build.labels[most])}: {show_half(accuracy)} against "
            f"{show_half(baseline)}: {say_difference(p_value, accuracy.value - baseline.value)} ({show_p(p_value)})"
        )
    for first, second in itertools.combinations(builds, 2):
        items.append(
            f"{escape(second.name)} against {escape(first.name)}: {compare(first, second, estimates, differences)}"
        )
    return "\n".join(f"- {item}." for item in items) + "\n"


def compare(first, second, estimates, differences):
    """Returns what follows for the second of two builds beside the first, as the end of a sentence."""
    before, after = (estimates[build.name]["accuracy"] for build in (first, second))
    if first.labels != second.labels:
        return "other labels, so not compared"
    told = f"{show_half(after)} against {show_half(before)}"
    if (first.name, second.name) not in differences:
        shares = [((build.predicted == build.truth).sum(), len(build.truth)) for build in (first, second)]
        p_value = compare_shares(*shares)
        told_apart = say_difference(p_value, after.value - before.value)
        return f"{told}: {told_apart} (Fisher's exact test, {show_p(p_value)}); other reviews"
    change = differences[first.name, second.name]["accuracy"]
    paired = mcnemar(first.truth, first.predicted, second.predicted)
    return (
        f"{told}, on the same reviews {show_change(change, ' ')}, {paired.gained} that only it has right and "
        f"{paired.lost} that only {escape(first.name)} has: {say_difference(paired.p_value, change.value)} (McNemar's "
        f"exact test, {show_p(paired.p_value)})"
    )


def write_setup(builds):
    """Returns the table of setups, a column each; rows in which they differ are in bold."""
    rows = []
    for row in SETUP:
        values = [build.setup.get(row) or [None] for build in builds]
        mark = "**" if len({format_value(value) for value, *_ in values}) > 1 else ""
        cells = [
            f"{mark}{escape(format_value(value))}{mark}" + "".join(f" ({escape(note)})" for note in notes if note)
            for value, *notes in values
        ]
        rows.append([ROWS[row], *cells])
    return "Rows in which they differ are in bold.\n\n" + table(
        ["what", *(escape(build.name) for build in builds)], rows, "l"
    )


def write_page(builds, groups, estimates, differences):
    """Returns the page as Markdown."""
    several = len(builds) * (len(builds) - 1) // 2
    caution = f" Of {several} comparisons at this level one in twenty is to be expected without a difference."
    return "\n".join(
        [
            f"# {len(builds)} builds side by side\n",
            "\n".join(f"- {escape(build.name)}: {escape(str(build.folder))}, {build.model}" for build in builds) + "\n",
            "## Metrics\n",
            write_metrics(builds, estimates),
            "Below a value is its 95% interval: Wilson's for accuracy, precision and recall, for the others that of a "
            "bootstrap over the test reviews. ± is half of an interval. It says what other test reviews of the kind "
            "would have given the same model, not what another training would have made. Of two labels, precision, "
            "recall and F1 are of the second, and auc is (recall + specificity) / 2, as the notebook's.\n",
            "![Accuracy of each build with its 95% interval, as in the table](accuracy.svg)\n",
            "## What follows\n",
            write_groups(groups),
            f"At the level of 0.05.{caution if several > 1 else ''}\n",
            write_findings(builds, estimates, differences),
            "## Setup\n",
            write_setup(builds),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output_dir", type=Path, help="the folder to write to")
    parser.add_argument("builds", nargs="+", metavar="BUILD", help="a finished build, such as build/minilm")
    args = parser.parse_args()
    builds = [read_build(name, folder) for name, folder in name_builds(args.builds).items()]
    groups = group(builds)
    estimates, differences = estimate_all(groups)
    rows = [
        (
            "…" * (len(build.name) > plots.LONGEST) + build.name[1 - plots.LONGEST :],
            estimates[build.name]["accuracy"],
            find_baseline(build.truth)[1].value,
            True,
        )
        for build in builds
    ]
    figures = {"accuracy": plots.plot_shares(rows)}
    write_folder(args.output_dir, write_page(builds, groups, estimates, differences), figures)


if __name__ == "__main__":
    run(main)
