"""Summarises the measurements: medians, ratios, whether the contenders agree, and bench.md."""

import statistics
import sys

import numpy as np

from report.page import table

TOLERANCE = 1e-4  # in probability, between two FP32 computations of the model
REFERENCE = "openvino"  # the contender that all others are compared with
RATES = ("reviews_per_second", "texts_per_second")  # more is better; of everything else less is


def medians(runs):
    """Returns {key: median} of a list of dicts of numbers."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def ratios(runs, reference):
    """Returns {key: (median, least, most)} over the repeats of how many times better the reference is.

    The ratio is taken within each repeat, whose runs are minutes apart, so a slower spell of the machine affects both.
    """
    found = {}
    for key in runs[0]:
        pairs = [(run[key], reference_run[key]) for run, reference_run in zip(runs, reference, strict=True)]
        values = [base / value if key in RATES else value / base for value, base in pairs]
        found[key] = statistics.median(values), min(values), max(values)
    return found


def agreement(name, probabilities, reference, labels, exact):
    """Compares a contender's answers with the reference's and with the labels.

    Args:
      name: the contender's.
      probabilities: float array (reviews, labels), of perhaps fewer reviews than the other arrays.
      reference: float array (reviews, labels), REFERENCE's.
      labels: int array (reviews,), the true ones.
      exact: bool, whether it computes in FP32, and so must agree.
    Returns: dict of reviews (their number), accuracy, largest_difference, labels_that_differ.
    Raises: SystemExit if it must agree and a probability differs by more than TOLERANCE. A label then differs only
      where two are that close.
    """
    reference, labels = reference[: len(probabilities)], labels[: len(probabilities)]
    difference = float(np.abs(probabilities - reference).max())
    changed = probabilities.argmax(1) != reference.argmax(1)
    if exact and not difference <= TOLERANCE:
        sys.exit(
            f"bench: {name} does not compute what {REFERENCE} does: probabilities differ by {difference:.2g}, "
            f"{changed.sum()} of {len(labels)} labels differ: a speed would mean nothing"
        )
    return {
        "reviews": len(labels),
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "largest_difference": difference,
        "labels_that_differ": int(changed.sum()),
    }


def best(rates):
    """Returns the setting with the highest rate, the first of equals."""
    return max(rates, key=rates.get)


def format_ratio(ratio):
    """Returns `median (least–most)`, of what ratios returns for a key."""
    middle, least, most = (f"{value:.2f}" for value in ratio)
    return middle if least == most else f"{middle} ({least}–{most})"


def speed_table(contenders):
    """Returns the table of throughput, latency, first answer, from a cache and cold, and memory."""
    rows = []
    for contender in contenders.values():
        median, ratio = contender["median"], contender["ratio"]
        rows.append(
            [
                contender["title"],
                f"{median['reviews_per_second']:.1f}",
                format_ratio(ratio["reviews_per_second"]),
                f"{1000 * median['p50']:.2f}",
                f"{1000 * median['p99']:.2f}",
                format_ratio(ratio["p50"]),
                f"{median['start']:.2f}",
                format_ratio(ratio["start"]),
                f"{median['cold_start']:.2f}",
                format_ratio(ratio["cold_start"]),
                f"{median['peak_memory'] / 1e6:.0f}",
            ]
        )
    header = ["", "reviews/s", "(c) is × as fast", "one review: p50, ms", "p99, ms", "(c) is × as fast"]
    header += ["first answer, s", "(c) is × as fast", "the same, cold, s", "(c) is × as fast", "peak memory, MB"]
    return table(header, rows, "lr")


def answers_table(contenders):
    """Returns the table of settings, accuracy and agreement."""
    rows = [
        [
            contender["title"],
            contender["engine"],
            contender["setting"]["throughput"] or "—",
            contender["setting"]["latency"] or "—",
            contender["reviews"],
            f"{contender['accuracy']:.4f}",
            f"{contender['largest_difference']:.1g}",
            contender["labels_that_differ"],
        ]
        for contender in contenders.values()
    ]
    header = [
        "",
        "engine",
        "setting",
        "for one review",
        "reviews",
        "accuracy",
        "furthest from (c)",
        "labels that differ",
    ]
    return table(header, rows, "llllr")


def scaling_table(scaling, titles, axis, unit):
    """Returns the table of one of the axes "cores", "batch" and "length"."""
    points = scaling[REFERENCE][axis]
    header = [unit, *(titles[name] for name in scaling)]
    return table(header, [[x, *(f"{curves[axis][x]:.1f}" for curves in scaling.values())] for x in points], "r")


def training_table(training):
    """Returns the table of a training step."""
    rows = [
        [found["title"], f"{found['median']['step']:.3f}", format_ratio(found["ratio"]["step"])]
        for found in training.values()
    ]
    return table(["", "a step, s", "PyTorch takes × as long"], rows, "lr")


def roofline_table(roofline):
    """Returns the table of what matrix products alone would allow."""
    rows = [
        [title, f"{found['flops'] / 1e9:.0f}", f"{found['flops'] / found['flop']:.0f}", f"{100 * found['share']:.0f}%"]
        for title, found in roofline.items()
    ]
    return table(["", "products, GFLOP/s", "reviews/s at that rate", "infer does"], rows, "lr")


def files_table(files):
    """Returns the table of files scored, and what a million rows would take."""
    rows = [
        [
            title,
            found["rows"],
            f"{found['rows'] / found['rows_per_second']:.0f}",
            f"{found['rows_per_second']:.0f}",
            f"{1e6 / found['rows_per_second'] / 60:.0f}",
        ]
        for title, found in files.items()
    ]
    return table(["", "rows", "seconds", "rows/s", "a million, reckoned, min"], rows, "lr")


def scaling_section(scaling, titles):
    """Returns the lines on how throughput grows."""
    return [
        "## How throughput grows\n",
        "Reviews/s by cores and by batch size, sorted by length as in (c); and texts/s by length, all of a length, "
        "in batches of 32.\n",
        scaling_table(scaling, titles, "cores", "cores"),
        scaling_table(scaling, titles, "batch", "batch"),
        scaling_table(scaling, titles, "length", "length"),
    ]


def write_choice(contenders, results, name):
    """Returns the sentence on how a contender's setting was chosen."""
    if not any(contender["tried"] for contender in contenders.values()):
        return "Where a contender can be set, nothing was tried: what is usually best was measured."
    return (
        f"Where a contender can be set, each setting was tried on {results['tried_on']} reviews and the best one "
        f"measured; {name}.json has them all."
    )


def to_markdown(results, name):
    """Returns NAME.md of NAME.json's content."""
    contenders, scaling = results["contenders"], results["scaling"]
    titles = {name: contender["title"] for name, contender in contenders.items()}
    tokenizers = [
        [
            tokenizer["title"],
            f"{tokenizer['median']['texts_per_second']:.0f}",
            format_ratio(tokenizer["ratio"]["texts_per_second"]),
            "yes" if tokenizer["same_ids"] else "no",
        ]
        for tokenizer in results["tokenizers"].values()
    ]
    return "\n".join(
        [
            "# How fast is it?\n",
            f"The same weights and held-out reviews on {results['cpu']}, {results['cores']} cores, as many threads "
            f"for each. Medians over {results['repeats']} repeats, in each of which every contender ran in turn, in "
            "processes of its own; a ratio is the median of the repeats' own (from the least to the most). One review: "
            f"`{results['short_review']}`, {results['calls']} times. First answer: from the start of the process; "
            "(c), (d) and (g) find the compiled model in a cache that an earlier start has left, while the others, as "
            "they are called here, keep none; cold, nobody finds one. "
            f"Reviews are cut to {results['max_seq_length']} WordPieces as in training. (a) and (b) pad every one to "
            f"{results['padded_length']}, so that one takes as long as another: {contenders['guide']['reviews']} give "
            f"their rate, where the others get {contenders[REFERENCE]['reviews']}.\n",
            speed_table(contenders),
            f"![Throughput, latency and how throughput grows]({name}.svg)\n",
            "## Do they agree?\n",
            f"FP32 to {TOLERANCE:g} in probability, or there would be no table. "
            f"{write_choice(contenders, results, name)} "
            "ONNX Runtime's are GRAPH,WORKERS: the graph as exported, or with its optimizer's fusions for BERT, and "
            "how many workers share the threads. TensorFlow's is the number of inter-op threads. The pipelines get "
            "the reviews as they come, in batches of 32, as a user calls them, and sorted, the longest first.\n",
            answers_table(contenders),
            "## Text to ids\n",
            table(["", "texts/s", "infer is × as fast", "FullTokenizer's ids"], tokenizers, "lr"),
            *(scaling_section(scaling, titles) if scaling else []),
            "## The roofline\n",
            "A review takes "
            f"{next(iter(results['roofline'].values()))['flop'] / 1e9:.2f} GFLOP of matrix products, of the last layer "
            "what [CLS] needs. How fast OpenVINO computes products of that size here, those of the feed-forward layers "
            "and nothing else, how many reviews a second that would be, and how much of it (c) and (d) do:\n",
            roofline_table(results["roofline"]),
            "## Training, and files\n",
            "A step of fine-tuning on the same batch of 32 reviews, padded to the model's length; and `make score`'s "
            "whole command on a .csv that repeats the test reviews, measured once, from its start to its end.\n",
            training_table(results["training"]),
            files_table(results["files"]),
        ]
    )
