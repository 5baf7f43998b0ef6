"""The plots: each as wide as a phone shows it with its text readable; a page puts several side by side.

Their colours are Okabe and Ito's, for the colour-blind, and a marker, a place or a name says what they say. The
same data gives the same SVG.
"""

import io
import warnings

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

from infer.text.metrics import MATRIX
from report.metrics import BINS, confusion, reliability

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8a929b"
WIDTH = 4.4  # inches
ROOMY = 4  # labels, up to which a cell of the confusion matrix has room for a share, too
LONGEST = 24  # characters of a label
matplotlib.rcParams.update(
    {
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "grid.color": "#e3e7eb",
        "legend.frameon": False,
        "svg.hashsalt": "report",  # or ids would differ from run to run
    }
)


def render(figure, suffix):
    """Returns the figure as the bytes of an svg or png file, without a date in it.

    Letters that Matplotlib's font lacks are left to the reader's own fonts: all of an svg's text is text then, where it
    else is outlines.
    """
    buffer = io.BytesIO()
    known = get_font(findfont(FontProperties())).get_charmap()
    lacks = any(ord(letter) not in known for text in figure.findobj(Text) for letter in text.get_text() if letter > " ")
    with matplotlib.rc_context({"svg.fonttype": "none" if lacks else "path"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(buffer, format=suffix, dpi=150, metadata={"Date": None} if suffix == "svg" else None)
    return buffer.getvalue()


def shorten(label):
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"


def plot_training(phases, num_labels):
    """Draws loss and accuracy against steps; returns {title: figure}, all with the same limits of loss and accuracy.

    Args:
      phases: {title: {"loss" and "accuracy": {"train" and "eval": (steps, values) or None}}}.
      num_labels: int.
    """
    values = {
        name: [value for curves in phases.values() for curve in curves[name].values() if curve for value in curve[1]]
        for name in ("loss", "accuracy")
    }
    highest = max(filter(np.isfinite, values["loss"]), default=1)
    limits = {"loss": (0, 1.05 * highest), "accuracy": (min(1 / num_labels, *values["accuracy"], 1) - 0.02, 1.02)}
    figures = {}
    for title, curves in phases.items():
        figures[title] = Figure(figsize=(WIDTH, 5))
        axes = figures[title].subplots(2, 1, sharex=True)
        for axis, (name, unit) in zip(axes, (("loss", "loss (nats)"), ("accuracy", "accuracy")), strict=True):
            train, test = curves[name]["train"], curves[name]["eval"]
            if train:
                axis.plot(
                    *train, color=BLUE, marker="o", markersize=3, linewidth=1.2, label="training, a batch a point"
                )
            if test:
                axis.plot(*test, color=ORANGE, marker="D", markersize=7, linestyle="", label="all test reviews")
            axis.set_ylabel(unit)
            axis.set_ylim(*limits[name])
        axes[0].set_title(title)
        axes[1].set_xlabel("step")
        axes[1].set_xlim(left=0)
        figures[title].legend(*axes[0].get_legend_handles_labels(), loc="outside lower center")
    return figures


def plot_shares(rows, unit="accuracy", baseline="one answer for all", limits=None):
    """Draws shares with their 95% intervals, a row each.

    Args:
      rows: list of (name, Estimate, baseline or None, whether it is this repository's run and not another's number).
      unit: str, what they are.
      baseline: str, what the baselines are.
      limits: (low, high) of the axis, or None for those of the rows.
    """
    figure = Figure(figsize=(WIDTH, 1.3 + 0.42 * len(rows)))
    axis = figure.subplots()
    for y, (_, estimate, lowest, own) in enumerate(rows):
        ends = [
            [estimate.value - (estimate.low or estimate.value)],
            [(estimate.high or estimate.value) - estimate.value],
        ]
        axis.errorbar(
            estimate.value,
            y,
            xerr=np.maximum(ends, 0),
            color=BLUE if own else "black",
            marker="o",
            capsize=4,
            markerfacecolor=BLUE if own else "none",
        )
        if lowest is not None:
            axis.plot(lowest, y, color=ORANGE, marker="x", markersize=7, linestyle="", label=baseline)
    axis.set_yticks(range(len(rows)), [shorten(name) for name, *_ in rows], parse_math=False)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(unit)
    axis.set_xlim(limits)
    axis.locator_params(axis="x", nbins=6)
    axis.grid(False, axis="y")
    handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center")
    return figure


def plot_confusion(models, names):
    """Draws a confusion matrix for each model, without numbers and names if it has more than MATRIX labels.

    Args:
      models: {title: (labels (reviews,), probabilities (reviews, labels))}.
      names: list of str, the labels'.
    Returns: {title: figure}.
    """
    side = WIDTH if len(names) <= ROOMY or len(names) > MATRIX else WIDTH + 0.4 * (len(names) - ROOMY)
    figures = {}
    for title, data in models.items():
        figures[title] = Figure(figsize=(side, side - 0.4))
        axis = figures[title].subplots()
        counts = confusion(*data)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axis.set(title=title, xlabel="predicted", ylabel="label")
        if len(names) <= MATRIX:
            for (row, column), count in np.ndenumerate(counts):
                share = shares[row, column]
                colour = "white" if share > 0.5 else "black"
                text = f"{count}\n{share:.1%}" if len(names) <= ROOMY else str(count)
                axis.text(column, row, text, ha="center", va="center", color=colour)
            ticks = range(len(names)), [shorten(name) for name in names]
            along = len(names) == 2 and max(map(len, names)) <= LONGEST / 2
            axis.set_xticks(*ticks, rotation=0 if along else 90, parse_math=False)
            axis.set_yticks(*ticks, rotation=90 if along else 0, va="center", parse_math=False)
        else:
            axis.set_xlabel("predicted, by number in labels.txt from 0 on")
        axis.tick_params(length=0)
        axis.grid(False)
        axis.spines[:].set_visible(False)
    return figures


def plot_reliability(models):
    """Draws a reliability diagram for each model, as Guo et al. do, with the number of reviews in each bin below it.

    Args:
      models: as for plot_confusion.
    Returns: {title: figure}.
    """
    edges = np.arange(BINS) / BINS
    bars = {"width": 1 / BINS, "align": "edge", "edgecolor": "white", "linewidth": 1}
    binned = {title: reliability(*data) for title, data in models.items()}
    most = max(sizes.max() for sizes, _, _ in binned.values())
    figures = {}
    for title, (sizes, confidence, accuracy) in binned.items():
        figures[title] = Figure(figsize=(WIDTH, 5))
        upper, lower = figures[title].subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.bar(edges, np.nan_to_num(accuracy), color=BLUE, **bars)
        upper.plot((0, 1), (0, 1), color="black", linewidth=1, linestyle="--")
        upper.plot(confidence, accuracy, color=ORANGE, marker="D", markersize=5, linestyle="")
        lower.bar(edges, sizes, color=GREY, **bars)
        upper.set(title=title, ylabel="share predicted right", ylim=(0, 1))
        # The predicted label has at least the mean probability, 0.5 of two.
        upper.set_xlim(np.floor(BINS / models[title][1].shape[1]) / BINS, 1)
        lower.set(xlabel="confidence (probability of the predicted label)", ylabel="reviews", ylim=(0, 1.05 * most))
    return figures


def plot_ablation(results):
    """Draws accuracy, loss and calibration error of each variant: a dot for each seed, a bar at their mean.

    The dot of a seed with several runs is their mean; the line through a dot is its 95% interval over the reviews.

    Args:
      results: the content of results.json, as report.ablation.read_seeds returns it.
    """
    metrics = {"accuracy": "accuracy", "loss": "loss (nats)", "ece": f"calibration error (ECE, {BINS} bins)"}
    colours = dict(zip(results["variants"], (BLUE, ORANGE, GREEN), strict=True))
    seeds = list(dict.fromkeys(row["seed"] for row in results["rows"]))
    offsets = dict(zip(seeds, np.linspace(-0.25, 0.25, len(seeds)) if len(seeds) > 1 else [0], strict=True))
    figure = Figure(figsize=(WIDTH, 6))
    for axis, (metric, unit) in zip(figure.subplots(3, 1), metrics.items(), strict=True):
        for y, variant in enumerate(results["variants"]):
            rows = [row for row in results["rows"] if row["variant"] == variant]
            for row in rows:
                value, low, high = row["intervals"][metric]
                at = y + offsets[row["seed"]]
                if low is not None:
                    axis.plot((low, high), (at, at), color=colours[variant], linewidth=1.5, alpha=0.6)
                axis.plot(value, at, color=colours[variant], marker="o", markersize=5)
            mean = np.mean([row[metric] for row in rows])
            axis.plot((mean, mean), (y - 0.4, y + 0.4), color="black", linewidth=1.5)
        axis.set_xlabel(unit)
        axis.locator_params(axis="x", nbins=5)
        axis.set_ylim(len(results["variants"]) - 0.5, -0.5)
        names = [f"{title[:3]} {variant.replace('-', ' ')}" for variant, title in results["variants"].items()]
        axis.set_yticks(range(len(names)), names)
        axis.grid(False, axis="y")
    return figure
