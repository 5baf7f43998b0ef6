"""The plots. Their colours are Okabe and Ito's, for the colour-blind; the same data gives the same SVG."""

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
ROOMY = 4  # labels, up to which a cell of the confusion matrix has room for a share, too
NARROW = 6  # labels, up to which two matrices stand side by side
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
    """Draws loss and accuracy against steps.

    Args:
      phases: {title: {"loss" and "accuracy": {"train" and "eval": (steps, values) or None}}}.
      num_labels: int.
    """
    figure = Figure(figsize=(9, 5.2))
    axes = figure.subplots(2, len(phases), sharex="col", sharey="row", squeeze=False)
    for column, (title, curves) in enumerate(phases.items()):
        for axis, (name, unit) in zip(
            axes[:, column], (("loss", "loss (nats)"), ("accuracy", "accuracy")), strict=True
        ):
            train, test = curves[name]["train"], curves[name]["eval"]
            if train:
                axis.plot(
                    *train, color=BLUE, marker="o", markersize=3, linewidth=1.2, label="training, one batch a point"
                )
            if test:
                axis.plot(
                    *test, color=ORANGE, marker="D", markersize=7, linestyle="", label="evaluation, all test reviews"
                )
            if column == 0:
                axis.set_ylabel(unit)
        axes[0, column].set_title(title)
        axes[1, column].set_xlabel("step")
        axes[1, column].set_xlim(left=0)
        axes[0, column].set_ylim(bottom=0)
        axes[1, column].set_ylim(min(1 / num_labels, axes[1, column].get_ylim()[0]), 1.02)  # the former is chance
    handles = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure


def plot_confusion(models, names):
    """Draws a confusion matrix for each model, without numbers and names if it has more than MATRIX labels.

    Args:
      models: {title: (labels (reviews,), probabilities (reviews, labels))}.
      names: list of str, the labels'.
    """
    side = 4 + 0.4 * (len(names) - 2) if len(names) <= MATRIX else 5
    # Large ones stand one below the other, or their text would be small where the page shows them.
    rows, columns = (len(models), 1) if NARROW < len(names) <= MATRIX else (1, len(models))
    figure = Figure(figsize=(side * columns, (side - 0.4) * rows))
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis, (title, data) in zip(axes, models.items(), strict=True):
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
    return figure


def plot_reliability(models):
    """Draws a reliability diagram for each model, as Guo et al. do, with the number of reviews in each bin below it.

    Args:
      models: as for plot_confusion.
    """
    figure = Figure(figsize=(4.4 * len(models), 5))
    axes = figure.subplots(2, len(models), sharex=True, sharey="row", height_ratios=(3, 1), squeeze=False)
    edges = np.arange(BINS) / BINS
    for column, (title, data) in enumerate(models.items()):
        upper, lower = axes[:, column]
        sizes, confidence, accuracy = reliability(*data)
        bars = {"width": 1 / BINS, "align": "edge", "edgecolor": "white", "linewidth": 1}
        upper.bar(edges, np.nan_to_num(accuracy), color=BLUE, **bars)
        upper.plot((0, 1), (0, 1), color="black", linewidth=1, linestyle="--")
        upper.plot(confidence, accuracy, color=ORANGE, marker="D", markersize=5, linestyle="")
        lower.bar(edges, sizes, color=GREY, **bars)
        upper.set_title(title)
        # The predicted label has at least the mean probability, 0.5 of two.
        upper.set(xlim=(np.floor(BINS / data[1].shape[1]) / BINS, 1), ylim=(0, 1))
        lower.set_xlabel("confidence (probability of the predicted label)")
    axes[0, 0].set_ylabel("share predicted right")
    axes[1, 0].set_ylabel("reviews")
    return figure


def plot_ablation(results):
    """Draws accuracy, loss and calibration error of each variant: a dot for each seed, a bar at their mean.

    The dot of a seed with several runs is their mean, and the line through it spans them from lowest to highest.

    Args:
      results: the content of results.json, as report.ablation.read_seeds returns it.
    """
    metrics = {"accuracy": "accuracy", "loss": "loss (nats)", "ece": f"calibration error (ECE, {BINS} bins)"}
    colours = dict(zip(results["variants"], (BLUE, ORANGE, GREEN), strict=True))
    figure = Figure(figsize=(9.6, 3.8))
    for axis, (metric, unit) in zip(figure.subplots(1, 3), metrics.items(), strict=True):
        seeds = list(dict.fromkeys(row["seed"] for row in results["rows"]))
        offsets = dict(zip(seeds, np.linspace(-0.18, 0.18, len(seeds)) if len(seeds) > 1 else [0], strict=True))
        for x, variant in enumerate(results["variants"]):
            rows = [row for row in results["rows"] if row["variant"] == variant and row["runs"]]
            for row in rows:
                values = [run[metric] for run in row["runs"]]
                at = x + offsets[row["seed"]]
                axis.plot((at, at), (min(values), max(values)), color=colours[variant], linewidth=1.5, alpha=0.6)
                axis.plot(at, row[metric], color=colours[variant], marker="o", markersize=6)
            if rows:
                mean = np.mean([row[metric] for row in rows])
                axis.plot((x - 0.32, x + 0.32), (mean, mean), color="black", linewidth=1.5)
        axis.set_title(unit)
        axis.set_xlim(-0.5, len(results["variants"]) - 0.5)
        axis.set_xticks(
            range(len(results["variants"])),
            [f"{title[:3]} {variant.replace('-', chr(10))}" for variant, title in results["variants"].items()],
        )
        axis.grid(False, axis="x")
    return figure
