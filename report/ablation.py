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
from report.page import escape, table, write
from report.plots import plot_ablation, render

VARIANTS = {
    "no-dropout": "(a) result1's weights in a graph without dropout, no retraining",
    "second-phase": "(b) result2: trained again without dropout",
    "with-dropout": "(c) result1's own training graph, dropout in place",
}
PICTURE = """\
A dot is a seed, a bar their mean; the line through a dot spans its runs from the lowest to the highest.

![Accuracy, loss and calibration error of the three variants](ablation.svg)
"""
DEVIATION = "standard deviation over the seeds, which is how far single runs are apart, not how far the mean is off"
METRICS = ("accuracy", "loss", "ece")
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

    Returns: (row, labels): a dict of seed, variant, ops, dropout_ops, ir_bytes, runs (of each what
      report.metrics.measure returns), their mean accuracy, loss and ece, and accuracy_std, p_positive_std and changed
      over the runs (None for a single one); and the labels, int array (reviews,).
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
    return row, repeats[0][0]


def read_seeds(folders, num_labels):
    """Reads all variants of all seeds.

    Args:
      folders: {seed: folder}.
      num_labels: int.
    Returns: the content of results.json: ece_bins, reviews (their number), same_reviews (whether all seeds have the
      same labels in the same order), variants {name: title}, rows (as read_variant).
    Raises: SystemExit.
    """
    rows, samples = [], []
    for seed, folder in folders.items():
        labels = None
        for variant in VARIANTS:
            row, variant_labels = read_variant(folder, seed, variant, num_labels)
            labels = variant_labels if labels is None else labels
            if not np.array_equal(variant_labels, labels):
                sys.exit(
                    f"{folder}/{variant}: its labels are not those of the other variants: "
                    "remove the folder and run `make ablation` again"
                )
            rows.append(row)
        samples.append(labels)
    same = all(np.array_equal(labels, samples[0]) for labels in samples)
    return {"ece_bins": BINS, "reviews": len(samples[0]), "same_reviews": same, "variants": VARIANTS, "rows": rows}


def mean_and_deviation(values, form):
    """Returns `mean ± standard deviation` of the values as text; of one value only that."""
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(np.mean(values))} ± {form.format(np.std(values, ddof=1))}"


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
    means, single = [], []
    for variant, rows in by_variant.items():
        title = results["variants"][variant]
        metrics = [mean_and_deviation([row[metric] for row in rows], "{:.4f}") for metric in METRICS]
        means.append([title, *metrics, *ops_and_size(rows)])
        for row in rows:
            metrics = [mean_and_deviation([row[metric]], "{:.4f}") for metric in METRICS]
            single.append([title[:3], row["seed"], len(row["runs"]), *metrics, *ops_and_size([row])])
    reviews = f"{results['reviews']} test reviews" + (
        " of its own" if not results["same_reviews"] else ", the same for all" if len(seeds) > 1 else ""
    )
    plural = len(seeds) > 1
    parts = [
        f"{len(seeds)} seed{'s' if plural else ''} ({', '.join(seeds)}), each on {reviews}"
        + (f"; mean ± {DEVIATION}:" if plural else ", so there is no spread over seeds:"),
        table(["variant", *header], means, "lr"),
        "Each seed (where it has several runs, their mean):",
        table(["variant", "seed", "runs", *header], single, "llr"),
    ]
    repeated = [row for row in results["rows"] if len(row["runs"]) > 1]
    if repeated:
        parts += [
            "One model on the same reviews, run after run (sd: standard deviation):",
            spread_table(results, repeated, labels),
        ]
    return "\n\n".join(part.strip() for part in [*parts, conclusion(by_variant)]) + "\n"


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


def conclusion(by_variant):
    """Returns the paragraphs that compare (b) and (c) with (a), seed by seed."""
    first = {row["seed"]: row for row in by_variant["no-dropout"]}
    paragraphs = []
    for variant, what in (("second-phase", "the second phase (b)"), ("with-dropout", "dropout left in place (c)")):
        pairs = [(first[row["seed"]], row) for row in by_variant[variant]]
        gains = {metric: [b[metric] - a[metric] for a, b in pairs] for metric in METRICS}
        changes = [
            f"{name} by {mean_and_deviation(gains[name.lower()], '{:+.4f}')}" for name in ("accuracy", "loss", "ECE")
        ]
        changes = ", ".join(changes).replace("± +", "± ")
        text = f"Against (a), {what} changes {changes} ({len(pairs)} seed{'s' if len(pairs) > 1 else ''})."
        if variant == "second-phase":
            better = sum(gain > 0 for gain in gains["accuracy"])
            lower = sum(gain < 0 for gain in gains["loss"])
            verdict = {0: "is not needed", 2 * len(pairs): "pays"}.get(better + lower, "does not clearly pay")
            text += (
                f" It is more accurate in {better} of {len(pairs)}, has the lower loss in {lower}: here it {verdict}."
            )
        changed = [row["changed"] for _, row in pairs if row["changed"] is not None]
        if changed:
            text += f" From run to run {np.mean(changed):.1%} of the reviews do not keep their label."
        paragraphs.append(text)
    return "\n\n".join(paragraphs)


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
