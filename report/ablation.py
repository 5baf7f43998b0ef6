"""Is the second phase needed? Compares three ways from result1 to an IR, over several seeds.

`python -m report.ablation --output_dir=FOLDER SEED=FOLDER...` reads the variants in each FOLDER and writes
ablation.md, ablation.svg, ablation.png and results.json.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.graph_pb2 import GraphDef

from infer.text.labels import read_labels
from infer.text.script import run
from report.metrics import BINS, measure, read_probabilities, spread
from report.page import escape, show, show_change, show_p, table, write
from report.plots import plot_ablation, render
from report.uncertainty import Estimate, estimate, mcnemar, over_seeds

VARIANTS = {
    "no-dropout": "(a) result1's weights in a graph without dropout, no retraining",
    "second-phase": "(b) result2: trained again without dropout",
    "with-dropout": "(c) result1's own training graph, dropout in place",
}
PICTURE = """\
A dot is a seed, the line through it its 95% interval over the reviews; the bar is the mean of the seeds.

![Accuracy, loss and calibration error of the three variants](ablation.svg)
"""
METRICS = {"accuracy": (0, 1), "loss": (0, np.inf), "ece": (0, 1)}  # the metric: its bounds
PAIRED = ("only it right", "only (a) right", "McNemar's test")
OVER_REVIEWS = "below a value its 95% interval over the reviews, Wilson's of one run's accuracy, else the bootstrap's"
ON_THE_SAME = (
    "on the same reviews, with its 95% interval by the paired bootstrap, and McNemar's exact test of the labels"
)
DROPOUT = re.compile(r"(?:^|/)dropout(?:_\d+)?/")


def count_ops(path, target):
    """Returns (number of ops, number of them in dropout layers) of a frozen graph that `make TARGET` makes."""
    graph = GraphDef()
    try:
        graph.ParseFromString(Path(path).read_bytes())
    except (OSError, DecodeError) as error:
        sys.exit(f"{path}: cannot be read as a frozen graph: {error}: make it with `make {target}`")
    return len(graph.node), sum(bool(DROPOUT.search(node.name)) for node in graph.node)


def read_variant(folder, seed, variant, num_labels):
    """Reads one variant of one seed.

    Returns: (row, repeats): a dict of seed, variant, ops, dropout_ops, ir_bytes, runs (of each what
      report.metrics.measure returns), their mean accuracy, loss and ece, and accuracy_std, p_positive_std and changed
      over the runs (None for a single one); and of each run the labels and probabilities, as of read_probabilities.
    Raises: SystemExit if a file is missing or malformed.
    """
    path = Path(folder, variant)
    ops, dropout_ops = count_ops(path / "bert-finetune.pb", "ablation")
    parts = [path / "bert-finetune.xml", path / "bert-finetune.bin"]
    for part in parts:
        if not part.is_file():
            sys.exit(f"{part}: no such file: make it with `make ablation`")
    ir_bytes = sum(part.stat().st_size for part in parts)
    row = {"seed": seed, "variant": variant, "ops": ops, "dropout_ops": dropout_ops, "ir_bytes": ir_bytes}

    files = sorted(path.glob("probabilities-*.tsv"))
    if not files:
        sys.exit(f"{path}/probabilities-1.tsv: no such file: make it with `make ablation`")
    repeats = [read_probabilities(file, num_labels) for file in files]
    for file, (labels, _) in zip(files, repeats, strict=True):
        if not np.array_equal(labels, repeats[0][0]):
            sys.exit(f"{file}: its labels are not those of {files[0]}: remove {path} and run `make ablation` again")
    row["runs"] = [measure(*repeat) for repeat in repeats]
    for metric in METRICS:
        row[metric] = float(np.mean([run[metric] for run in row["runs"]]))
    row |= {"accuracy_std": None, "p_positive_std": None, "changed": None}
    if len(repeats) > 1:
        row["accuracy_std"] = float(np.std([run["accuracy"] for run in row["runs"]], ddof=1))
        row |= spread(repeats[0][0], np.array([probabilities for _, probabilities in repeats]))
    return row, repeats


def compare_variants(seed, repeats):
    """Measures the variants of one seed on its reviews.

    Args:
      seed: str.
      repeats: {variant: as of read_variant}.
    Returns: ({variant: {metric: Estimate}}, list of dicts on how each other variant differs from the first: of seed,
      variant, each metric's Estimate of the difference, and paired, what mcnemar returns, None for several runs).
    """
    first, *others = repeats
    estimates, differences = estimate(repeats, [(first, other) for other in others])
    compared = []
    for other in others:
        (labels, before), (_, after) = repeats[first][0], repeats[other][0]
        paired = mcnemar(labels, before.argmax(axis=1), after.argmax(axis=1)) if len(repeats[other]) == 1 else None
        compared.append({"seed": seed, "variant": other, "paired": paired, **differences[first, other]})
    return estimates, compared


def read_seeds(folders, num_labels):
    """Reads all variants of all seeds.

    Args:
      folders: {seed: folder}.
      num_labels: int.
    Returns: the content of results.json: ece_bins, reviews (their number), same_reviews (whether all seeds have the
      same labels in the same order), variants {name: title}, rows (as read_variant, with intervals, {metric: Estimate}
      over the reviews), comparisons (as compare_variants).
    Raises: SystemExit.
    """
    rows, samples, comparisons = [], [], []
    for seed, folder in folders.items():
        repeats = {}
        for variant in VARIANTS:
            row, repeats[variant] = read_variant(folder, seed, variant, num_labels)
            labels = next(iter(repeats.values()))[0][0]
            if not np.array_equal(repeats[variant][0][0], labels):
                sys.exit(
                    f"{folder}/{variant}: its labels are not those of the other variants: "
                    "remove the folder and run `make ablation` again"
                )
            rows.append(row)
        estimates, compared = compare_variants(seed, repeats)
        for row in rows[-len(VARIANTS) :]:
            row["intervals"] = {metric: estimates[row["variant"]][metric] for metric in METRICS}
        comparisons += compared
        samples.append(labels)
    return {
        "ece_bins": BINS,
        "reviews": len(samples[0]),
        "same_reviews": all(np.array_equal(labels, samples[0]) for labels in samples),
        "variants": VARIANTS,
        "rows": rows,
        "comparisons": comparisons,
    }


def ops_and_size(rows):
    """Returns the table cells for ops, dropout ops and size of the rows; where they differ, `least to most`."""
    cells = []
    for name, form in (("ops", "{}"), ("dropout_ops", "{}"), ("ir_bytes", "{:.1f}")):
        values = [row[name] / 1e6 if name == "ir_bytes" else row[name] for row in rows]
        cells.append(" to ".join(dict.fromkeys(form.format(end(values)) for end in (min, max))))
    return cells


def to_markdown(results, labels):
    """Returns the tables and the conclusion on results.json's content, without heading and picture.

    Args:
      results: as read_seeds returns it.
      labels: list of str.
    """
    by_variant = {
        variant: [row for row in results["rows"] if row["variant"] == variant] for variant in results["variants"]
    }
    seeds = list(dict.fromkeys(row["seed"] for row in results["rows"]))
    header = ["accuracy", "loss", "ECE", "ops", "of dropout", "IR size, MB"]
    plural = len(seeds) > 1
    means, single = [], []
    for variant, rows in by_variant.items():
        title = results["variants"][variant]
        for row in rows:
            cells = [show(Estimate(*row["intervals"][metric])) for metric in METRICS]
            single.append([title[:3], row["seed"], len(row["runs"]), *cells, *ops_and_size([row])])
        if plural:
            cells = [show(over_seeds([row[metric] for row in rows], bounds)) for metric, bounds in METRICS.items()]
        means.append([title, *cells, *ops_and_size(rows)])
    reviews = f"{results['reviews']} test reviews" + (
        " of its own" if not results["same_reviews"] else ", the same for all" if plural else ""
    )
    parts = [
        f"{len(seeds)} seed{'s' if plural else ''} ({', '.join(seeds)}), each on {reviews}"
        + (
            "; the mean of the seeds and its 95% interval, Student's over the seeds, so of trainings as of reviews:"
            if plural
            else f", so nothing is told of other trainings; {OVER_REVIEWS}:"
        ),
        table(["variant", *header], means, "lr"),
    ]
    if plural:
        parts += [
            f"Each seed (where it has several runs, their mean); {OVER_REVIEWS}:",
            table(["variant", "seed", "runs", *header], single, "llr"),
        ]
    parts += [
        f"Each seed's difference from (a), {ON_THE_SAME}:",
        table(
            ["variant", "seed", *(f"{name} minus (a)" for name in header[:3]), *PAIRED], compare_rows(results), "llr"
        ),
    ]
    repeated = [row for row in results["rows"] if len(row["runs"]) > 1]
    if repeated:
        parts += [
            "One model on the same reviews, run after run (sd: standard deviation):",
            spread_table(results, repeated, labels),
        ]
    return "\n\n".join(part.strip() for part in [*parts, conclusion(results)]) + "\n"


def compare_rows(results):
    """Returns the rows of the table of how each seed's other variants differ from the first."""
    rows = []
    for compared in sorted(
        results["comparisons"], key=lambda compared: [*results["variants"]].index(compared["variant"])
    ):
        changes = [show_change(Estimate(*compared[metric])) for metric in METRICS]
        gained, lost, p_value = compared["paired"] or ("", "", None)
        p_value = "" if p_value is None else show_p(p_value)
        rows.append([results["variants"][compared["variant"]][:3], compared["seed"], *changes, gained, lost, p_value])
    return rows


def spread_table(results, rows, labels):
    """Returns the table of how much the runs of each row differ."""
    cells = [
        [
            results["variants"][row["variant"]][:3],
            row["seed"],
            len(row["runs"]),
            f"{row['accuracy_std']:.4f}",
            f"{row['p_positive_std']:.4f}",
            f"{row['changed']:.2%}",
        ]
        for row in rows
    ]
    followed = escape(labels[1]) if len(labels) == 2 else "the review's own label"
    header = [
        "variant",
        "seed",
        "runs",
        "sd of accuracy",
        f"sd of p({followed}), mean over reviews",
        "labels that change",
    ]
    return table(header, cells, "llr")


def conclusion(results):
    """Returns the paragraphs that compare (b) and (c) with (a), over the seeds, or of one seed over the reviews."""
    paragraphs = []
    for variant, what in (("second-phase", "the second phase (b)"), ("with-dropout", "dropout left in place (c)")):
        compared = [each for each in results["comparisons"] if each["variant"] == variant]
        changes = {
            metric: over_seeds([each[metric][0] for each in compared])
            if len(compared) > 1
            else Estimate(*compared[0][metric])
            for metric in METRICS
        }
        told = ", ".join(f"{name} by {show_change(changes[name.lower()], ' ')}" for name in ("accuracy", "loss", "ECE"))
        over = (
            f"{len(compared)} seeds, 95% interval over these" if len(compared) > 1 else "1 seed, 95% over its reviews"
        )
        text = f"Against (a), {what} changes {told} ({over})."
        if variant == "second-phase":
            text += f" {verdict(changes, len(compared))}"
        changed = [
            row["changed"] for row in results["rows"] if row["variant"] == variant and row["changed"] is not None
        ]
        if changed:
            text += f" From run to run {np.mean(changed):.1%} of the reviews do not keep their label."
        paragraphs.append(text)
    return "\n\n".join(paragraphs)


def verdict(changes, seeds):
    """Returns the sentence on whether the second phase pays: by which of the intervals are on one side of 0."""
    accuracy, loss = changes["accuracy"], changes["loss"]
    if None in (accuracy.low, loss.low):
        return "So few reviews tell nothing."
    better = [name for name, yes in (("more accurate", accuracy.low > 0), ("of lower loss", loss.high < 0)) if yes]
    worse = [name for name, yes in (("less accurate", accuracy.high < 0), ("of higher loss", loss.low > 0)) if yes]
    words = {(True, False): "it pays", (False, True): "it is not needed"}
    found = words.get((bool(better), bool(worse)), "it does not clearly pay")
    what = " and ".join(better + worse) or "neither more nor less accurate, nor of another loss, than chance explains"
    return f"It is {what}: here {found}." + " Another seed may say otherwise." * (seeds == 1)


def parse_seeds(arguments):
    """Returns {seed: folder} of arguments SEED=FOLDER; exits if one is invalid."""
    folders = {}
    for argument in arguments:
        seed, equals, folder = argument.partition("=")
        if not equals or not seed.isdecimal() or seed in folders:
            sys.exit(f"{argument}: not SEED=FOLDER, each seed once, as in 0=build/minilm/ablation")
        if not Path(folder).is_dir():
            sys.exit(f"{folder}: no such folder: make it with `make ablation`")
        folders[seed] = folder
    return folders


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, required=True, help="where to write")
    parser.add_argument("seeds", nargs="+", metavar="SEED=FOLDER", help="a seed and the folder of its variants")
    args = parser.parse_args()
    folders = parse_seeds(args.seeds)
    labels = read_labels(Path(next(iter(folders.values())), next(iter(VARIANTS))))  # beside the head of that variant
    results = read_seeds(folders, len(labels))
    body = to_markdown(results, labels)
    figure = plot_ablation(results)
    # Everything is computed before anything is written; results.json, which other stages read, comes last.
    args.output_dir.mkdir(parents=True, exist_ok=True)
    for suffix in ("svg", "png"):
        write(args.output_dir / f"ablation.{suffix}", render(figure, suffix))
    write(args.output_dir / "ablation.md", f"# Is the second phase needed?\n\n{body}\n{PICTURE}")
    write(args.output_dir / "results.json", json.dumps(results, indent=2) + "\n")
    print(body, end="")


if __name__ == "__main__":
    run(main)
