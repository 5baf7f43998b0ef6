"""Draws bench.svg: throughput, latency, and throughput by cores, batch size and length."""

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.summary import REFERENCE
from report.plots import BLUE, GREEN, GREY, ORANGE

AXES = {"cores": "cores", "batch": "batch size (reviews)", "length": "length (WordPieces)"}


def label(name, value, ratio):
    """Returns a value as text, and in brackets how many times as fast the reference is."""
    text = f"  {value:.0f}" if value >= 100 else f"  {value:.3g}"
    return text + ("" if name == REFERENCE else f"  [{ratio[0]:.2g} ×]")


def plot_throughput(axis, contenders):
    """Draws a bar for each contender, the reference in blue."""
    for y, (name, contender) in enumerate(contenders.items()):
        value, ratio = contender["median"]["reviews_per_second"], contender["ratio"]["reviews_per_second"]
        axis.barh(y, value, color=BLUE if name == REFERENCE else GREY, height=0.7)
        axis.text(value, y, label(name, value, ratio), va="center")
    axis.set_yticks(range(len(contenders)), [contender["title"] for contender in contenders.values()])
    axis.invert_yaxis()
    axis.margins(x=0.22)
    axis.set_title("Throughput [(c) is so many times as fast]")
    axis.set_xlabel("reviews per second: more is better")


def plot_latency(axis, contenders):
    """Draws a line from p50 to p99 for each contender, on a logarithmic axis, the reference in blue."""
    for y, (name, contender) in enumerate(contenders.items()):
        p50, p99 = (1000 * contender["median"][key] for key in ("p50", "p99"))
        colour = BLUE if name == REFERENCE else GREY
        axis.plot((p50, p99), (y, y), color=colour, linewidth=3)
        axis.plot(p50, y, color=colour, marker="o", markersize=9)
        axis.text(p99, y, label(name, p50, contender["ratio"]["p50"]), va="center")
    axis.set_xscale("log")
    axis.margins(x=0.25)
    axis.xaxis.set_major_formatter(lambda value, position: f"{value:g}")
    axis.set_title("Latency [(c) is so many times as fast]")
    axis.set_xlabel("ms for one short review, from p50 (dot, number) to p99: less is better")


def plot_bench(results):
    """Returns the figure of bench.json's content."""
    contenders, scaling = results["contenders"], results["scaling"]
    height = 0.45 * len(contenders) + 0.5
    figure = Figure(figsize=(13, height + 4 * bool(scaling)))
    above, below = figure.subfigures(2, 1, height_ratios=(height, 4)) if scaling else (figure, None)
    left, right = above.subplots(1, 2, sharey=True)
    plot_throughput(left, contenders)
    plot_latency(right, contenders)
    for axis in (left, right):
        axis.grid(False, axis="y")
    if not scaling:
        return figure
    for axis, (name, unit) in zip(below.subplots(1, len(AXES)), AXES.items(), strict=True):
        for (contender, curves), colour in zip(scaling.items(), (BLUE, ORANGE, GREEN), strict=False):
            axis.plot(
                *zip(*((int(x), y) for x, y in curves[name].items()), strict=True),
                color=colour,
                marker="o",
                markersize=5,
                label=contenders[contender]["title"],
            )
        if name != "cores":
            axis.set_xscale("log", base=2)
        points = [int(x) for x in next(iter(scaling.values()))[name]]
        axis.set_xticks(points, points)
        axis.set_xticks([], minor=True)
        if name == "length":
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
            axis.yaxis.set_minor_locator(NullLocator())
        else:
            axis.set_ylim(bottom=0)
        axis.set(xlabel=unit, ylabel="texts per second" if name == "length" else "reviews per second")
        axis.set_title(f"Throughput by {unit.split(' (')[0]}")
    handles = axis.get_legend_handles_labels()
    below.legend(*handles, loc="outside lower center", ncols=len(scaling))
    return figure
