"""Measures all contenders in turns: python -m bench build/minilm --output_dir DIR; writes bench.json, .md, .svg, .png.

Runs in the report environment, and each contender in its own. The folder is a build with what `make bench` depends on.
"""

import csv
import importlib.metadata
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.command import build_parser, run_json, run_module, write_results
from bench.contender import CALLS, SHORT
from bench.contenders import read_tokenizer
from bench.plots import plot_bench
from bench.summary import REFERENCE, agreement, best, medians, ratios, to_markdown
from infer.text.examples import read_examples
from infer.text.script import run
from report.page import write
from report.plots import render

CORES = len(os.sched_getaffinity(0))
TRIED_ON, TRIES = 640, 2  # reviews on which a setting is tried, and how often
SLOW_COUNT = 500  # reviews for the slow contenders, which pad all to one length
WORKERS = tuple(dict.fromkeys((1, CORES)))
SORTED = {"throughput": ["sorted"]}
INTER_OP = SHARED = {"throughput": [str(workers) for workers in WORKERS]}
GRAPHS = {  # latency is of one review, which workers can't share
    name: {
        "throughput": [f"{graph},{workers}" for graph in graphs for workers in WORKERS],
        "latency": [f"{graph},1" for graph in graphs],
    }
    for name, graphs in (
        ("fp32", ("classifier", "bench/peers/fused")),
        ("int8", ("bench/peers/classifier-int8", "bench/peers/fused-int8")),
    )
}
FIELDS = ("title", "environment", "package", "model", "settings", "exact")
CONTENDERS = {
    name: dict(zip(FIELDS, values, strict=True))
    for name, *values in (
        ("guide", "(a) the guide's way", "openvino", "openvino", "bench/guide/bert-finetune.xml", {}, True),
        ("tensorflow", "(b) TensorFlow 1.15", "tf1", "tensorflow", "bench/guide/bert-finetune.pb", INTER_OP, True),
        ("openvino", "(c) infer", "openvino-current", "openvino", "classifier.xml", {}, True),
        ("openvino-bf16", "(c) the same, bfloat16", "openvino-current", "openvino", "classifier.xml", {}, False),
        ("openvino-auto", "(c) the same, auto", "openvino-current", "openvino", "classifier.xml", {}, False),
        ("openvino-int8", "(d) infer, INT8", "openvino-current", "openvino", "int8/classifier.xml", {}, False),
        ("onnxruntime", "(e) ONNX Runtime", "bench", "onnxruntime", "", GRAPHS["fp32"], True),
        ("onnxruntime-int8", "(e) the same, INT8", "bench", "onnxruntime", "", GRAPHS["int8"], False),
        ("transformers", "(f) transformers, PyTorch", "bench", "torch", "huggingface", {}, True),
        ("transformers-sorted", "(f) the same, sorted", "bench", "torch", "huggingface", SORTED, True),
        ("transformers-bf16", "(f) sorted, bfloat16", "bench", "torch", "huggingface", SORTED, False),
        ("transformers-compiled", "(f) sorted, torch.compile", "bench", "torch", "huggingface", SORTED, True),
        ("optimum", "(g) Optimum, OpenVINO", "bench", "optimum-intel", "bench/peers/openvino", {}, True),
        ("optimum-sorted", "(g) the same, sorted", "bench", "optimum-intel", "bench/peers/openvino", SORTED, True),
        ("ctranslate2", "(h) CTranslate2", "bench", "ctranslate2", "bench/peers/ctranslate2", SHARED, True),
        ("ctranslate2-int8", "(h) in INT8", "bench", "ctranslate2", "bench/peers/ctranslate2-int8", SHARED, False),
    )
}
SLOW_CONTENDERS = ("guide", "tensorflow")
TOKENIZERS = {"openvino": "infer", "tensorflow": "FullTokenizer", "transformers": "BertTokenizerFast"}
SCALED = ("openvino", "onnxruntime")
VARIABLES = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TF_CPP_MIN_LOG_LEVEL": "3"}
QUICK = ("guide", "openvino", "openvino-bf16", "openvino-int8", "onnxruntime", "onnxruntime-int8")
QUICK += ("ctranslate2", "ctranslate2-int8", "transformers-sorted")
INT8 = "openvino-int8"
TRAINERS = {"tensorflow": ("run_classifier.py, TensorFlow 1.15", "tf1"), "torch": ("PyTorch, AdamW", "bench")}
SCORED = {"openvino": ("FP32", "fp32"), "openvino-bf16": ("bfloat16", "bf16"), "openvino-int8": ("INT8", "int8")}


def read_version(environment, package):
    """Returns `package version` as installed in an environment of .tox."""
    folders = [str(folder) for folder in Path(".tox", environment).glob("lib/python3*/site-packages")]
    found = {found.name.lower(): found.version for found in importlib.metadata.distributions(path=folders)}
    return f"{package} {found.get(package)}"


def read_cpu():
    """Returns the CPU's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "an unnamed CPU")


def measure(folder, name, task, count, setting="", cores=CORES, output=None):
    """Runs a task of bench.contender in a process on `cores` cores; returns the dict that it prints.

    That of "first_answer" has the seconds from the start of the process to its answer.

    Args:
      folder: Path of the build.
      name, task, count, setting, output: as bench.contender takes them.
      cores: int.
    Raises: SystemExit, with the last line of its stderr, if it fails.
    """
    command = ["bench.contender", name, task, f"--model={folder / CONTENDERS[name]['model']}"]
    command += [f"--tokenizer={folder / 'huggingface'}", f"--reviews={folder / 'reviews/test.jsonl'}"]
    command += [f"--count={count}", f"--setting={setting}", *([f"--output={output}"] if output else [])]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    started = time.monotonic()
    found = run_json(
        f"{name}, {task}",
        CONTENDERS[name]["environment"],
        *command,
        env=os.environ | VARIABLES | {"OMP_NUM_THREADS": str(cores)},
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    if "answered" in found:
        found["seconds"] = found.pop("answered") - started
    return found


def measure_start(folder, name, count, setting):
    """Returns {"cold_start" and "start": seconds from the start of a process to its first answer}.

    The cold one finds no compiled model, the other what that has left: (c), (d) and (g) keep one. The files are in the
    system's memory in both.
    """
    shutil.rmtree((folder / CONTENDERS[name]["model"]).with_suffix(".cache"), ignore_errors=True)
    runs = (measure(folder, name, "first_answer", count, setting) for _ in range(2))
    return dict(zip(("cold_start", "start"), (run["seconds"] for run in runs), strict=True))


def choose_settings(folder, name, count, quick):
    """Tries a contender's settings; returns ({task: the best setting or ""}, {task: {setting: its best rate}}).

    With `quick` the last of them is taken untried: what is fused, and as many workers as cores.
    """
    chosen, tried = {"throughput": "", "latency": ""}, {}
    for task, settings in CONTENDERS[name]["settings"].items():
        if len(settings) == 1 or quick:
            chosen[task] = settings[-1]
            continue
        tried[task] = dict.fromkeys(settings, 0)
        for setting in settings * TRIES:
            found = measure(folder, name, task, min(count, TRIED_ON), setting)
            rate = found["reviews_per_second"] if task == "throughput" else 1 / found["p50"]
            tried[task][setting] = max(rate, tried[task][setting])
        chosen[task] = best(tried[task])
        print(f"{CONTENDERS[name]['title']}: {chosen[task] or 'unset'} is best for {task}", flush=True)
    return chosen, tried


def measure_scaling(folder, name, count, setting):
    """Returns {"batch", "length" and "cores": {batch size, length or number of cores: reviews per second}}."""
    curves = measure(folder, name, "scale", count, setting) | {"cores": {}}
    for cores in sorted({*(2**i for i in range(CORES.bit_length())), CORES}):
        workers = setting.replace(f",{CORES}", f",{cores}")
        found = measure(folder, name, "throughput", min(count, TRIED_ON), workers, cores)
        curves["cores"][str(cores)] = found["reviews_per_second"]
    return curves


def measure_step(folder, name):
    """Returns {"step": seconds that a training step of TRAINERS takes}."""
    arguments = ("bench.train_step", name, folder)
    return run_json(f"{name}, a training step", TRAINERS[name][1], *arguments, env=os.environ | VARIABLES)


def measure_roof(folder, count):
    """Returns {"flop": of a review, precision: matrix products' operations a second} of bench.roofline."""
    return run_json("the roofline", "openvino-current", "bench.roofline", folder, f"--count={count}")


def measure_file(folder, precision, given):
    """Returns the seconds that `make score`'s whole command takes on the file `given`."""
    command = ("infer", "score", "-m", folder / "classifier.xml", f"--precision={precision}")
    started = time.monotonic()
    run_module(f"scoring in {precision}", "openvino-current", *command, given, given.with_name("scored.csv"))
    return time.monotonic() - started


def median_curves(repeats):
    """Returns the curves whose points are the medians over the repeats."""
    return {axis: medians([curves[axis] for curves in repeats]) for axis in ("cores", "batch", "length")}


def run_all(folder, counts, labels, repeats, output, quick):
    """Measures all contenders in turns, `repeats` times.

    Args:
      folder: Path of the build.
      counts: {name: number of reviews it gets}.
      labels: int array (reviews,).
      repeats: int.
      output: path for a contender's probabilities, .npy.
      quick: bool, whether to try no settings and draw no curves.
    Returns: ({name: dict of setting, tried, runs and what agreement returns}, {tokenizer: runs}, {name: list of
      curves}, {trainer: runs}, runs of measure_roof).
    Raises: SystemExit as soon as a contender fails or disagrees.
    """
    found = {}
    for name, count in counts.items():
        setting, tried = choose_settings(folder, name, count, quick)
        found[name] = {"setting": setting, "tried": tried, "runs": []}
    tokens, steps, roofs = {name: [] for name in TOKENIZERS}, {name: [] for name in TRAINERS}, []
    curves = {} if quick else {name: [] for name in SCALED}
    for repeat in range(repeats):
        probabilities = {}
        for name, contender in found.items():
            setting = contender["setting"]
            one = measure(folder, name, "throughput", counts[name], setting["throughput"], output=output)
            one |= measure_start(folder, name, counts[name], setting["latency"])
            one |= measure(folder, name, "latency", counts[name], setting["latency"])
            contender["runs"].append(one)
            probabilities[name] = np.load(output)
            print(
                f"{repeat + 1}/{repeats} {CONTENDERS[name]['title']}: {one['reviews_per_second']:.1f} reviews/s, "
                f"{1000 * one['p50']:.2f} ms, first answer after {one['start']:.2f} s, cold {one['cold_start']:.2f} s",
                flush=True,
            )
        for name, contender in found.items():
            exact = CONTENDERS[name]["exact"]
            contender |= agreement(name, probabilities[name], probabilities[REFERENCE], labels, exact)
        for name in TOKENIZERS:
            tokens[name].append(measure(folder, name, "tokens", counts[REFERENCE]))
        for name in TRAINERS:
            steps[name].append(measure_step(folder, name))
            print(f"{repeat + 1}/{repeats} {TRAINERS[name][0]}: {steps[name][-1]['step']:.3f} s a step", flush=True)
        roofs.append(measure_roof(folder, counts[REFERENCE]))
        for name in curves:
            curves[name].append(measure_scaling(folder, name, counts[name], found[name]["setting"]["throughput"]))
    return found, tokens, curves, steps, roofs


def summarize(found):
    """Returns the contenders' part of bench.json from the first dict that run_all returns."""
    return {
        name: {
            "title": CONTENDERS[name]["title"],
            "engine": read_version(CONTENDERS[name]["environment"], CONTENDERS[name]["package"]),
            "median": medians(contender["runs"]),
            "ratio": ratios(contender["runs"], found[REFERENCE]["runs"]),
            **contender,
        }
        for name, contender in found.items()
    }


def summarize_tokenizers(tokens):
    """Returns the tokenizers' part of bench.json from {name: runs}."""
    digests = {name: runs[0]["sha256"] for name, runs in tokens.items()}
    rates = {name: [{"texts_per_second": one["texts_per_second"]} for one in runs] for name, runs in tokens.items()}
    return {
        name: {
            "title": title,
            "same_ids": digests[name] == digests["tensorflow"],
            "median": medians(rates[name]),
            "ratio": ratios(rates[name], rates[REFERENCE]),
            "runs": rates[name],
        }
        for name, title in TOKENIZERS.items()
    }


def summarize_training(steps):
    """Returns the training step's part of bench.json from {trainer: runs}; the reference is PyTorch."""
    return {
        name: {"title": title, "median": medians(runs), "ratio": ratios(steps["torch"], runs), "runs": runs}
        for (name, runs), (title, _) in zip(steps.items(), TRAINERS.values(), strict=True)
    }


def summarize_roofs(found, roofs):
    """Returns the roofline's part of bench.json: {precision: {"flop", "flops", "share" of each repeat, the median}}."""
    summary = {}
    for name, (title, precision) in SCORED.items():
        if name in found and precision in roofs[0]:
            runs = zip(found[name]["runs"], roofs, strict=True)
            shares = [one["reviews_per_second"] * roof["flop"] / roof[precision] for one, roof in runs]
            median = medians(roofs)
            summary[title] = {"flop": median["flop"], "flops": median[precision], "share": statistics.median(shares)}
    return summary


def score_files(folder, names, count):
    """Returns the files' part of bench.json: {precision: {"rows", "rows_per_second"}}, of one run each."""
    reviews = [row["review"] for row in read_examples(folder / "reviews/test.jsonl")]
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        given = Path(temporary, "given.csv")
        with given.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["review"], *([reviews[i % len(reviews)]] for i in range(count))])
        for title, precision in (SCORED[name] for name in names):
            found[title] = {"rows": count, "rows_per_second": count / measure_file(folder, precision, given)}
            print(f"{count} rows from file to file in {title}: {found[title]['rows_per_second']:.0f}/s", flush=True)
    return found


def main():
    parser = build_parser("python -m bench", __doc__)
    parser.add_argument("--reviews", type=int, required=True, help="how many of the test reviews")
    parser.add_argument("--padded_length", type=int, required=True, help="the length to which (a) and (b) pad")
    parser.add_argument("--without_int8", action="store_true", help="leave out (d)")
    parser.add_argument("--rows", type=int, required=True, help="of the file to score")
    parser.add_argument("--name", default="bench", help="of the files to write (default: bench)")
    parser.add_argument("--quick", action="store_true", help="fewer contenders, no settings tried, no curves")
    args = parser.parse_args()

    labels = np.array([row["label"] for row in read_examples(args.folder / "reviews/test.jsonl")[: args.reviews]])
    names = [name for name in (QUICK if args.quick else CONTENDERS) if not (args.without_int8 and name == INT8)]
    counts = {name: min(len(labels), SLOW_COUNT if name in SLOW_CONTENDERS else len(labels)) for name in names}
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary, "answers.npy")
        found, tokens, curves, steps, roofs = run_all(args.folder, counts, labels, args.repeats, output, args.quick)
    results = {
        "cpu": read_cpu(),
        "cores": CORES,
        "repeats": args.repeats,
        "tried_on": min(len(labels), TRIED_ON),
        "short_review": SHORT,
        "calls": CALLS,
        "max_seq_length": read_tokenizer(args.folder / "huggingface")[2],
        "padded_length": args.padded_length,
        "contenders": summarize(found),
        "tokenizers": summarize_tokenizers(tokens),
        "scaling": {name: median_curves(repeats) for name, repeats in curves.items()},
        "training": summarize_training(steps),
        "roofline": summarize_roofs(found, roofs),
        "files": score_files(args.folder, [name for name in SCORED if name in names], args.rows),
    }
    figure = plot_bench(results)
    # Everything is computed before anything is written.
    write_results(args.output_dir, args.name, to_markdown(results, args.name), results)
    for suffix in ("svg", "png"):
        write(args.output_dir / f"{args.name}.{suffix}", render(figure, suffix))


if __name__ == "__main__":
    run(main)
