"""Quantises a classifier to INT8 with NNCF: python -m infer.quantize classifier.xml int8.xml --data_dir reviews

Calibrated on training reviews, held to its accuracy on all test reviews. Runs in the openvino-current environment.
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

import nncf
import numpy as np
import openvino as ov

from infer.classifier import Classifier
from infer.ir import save_classifier
from infer.text.examples import read_examples
from infer.text.script import run

CALIBRATION = 300  # training reviews, NNCF's own default
REPEATS = 5
TIMED = 1000  # test reviews


def read_rows(path):
    """Returns (texts, labels (reviews,)) of train.jsonl or test.jsonl."""
    rows = read_examples(path)
    return [row["review"] for row in rows], np.array([row["label"] for row in rows])


def measure(paths, texts, labels):
    """Returns {name: measurements} of the classifiers at {name: path}, run in turns."""
    found = {}
    classifiers = {name: Classifier(path) for name, path in paths.items()}
    for name, classifier in classifiers.items():
        probabilities = classifier.predict_window(texts)
        found[name] = {
            "accuracy": float((probabilities.argmax(1) == labels).mean()),
            "loss": float(-np.log(probabilities[np.arange(len(labels)), labels]).mean()),
            "megabytes": paths[name].with_suffix(".bin").stat().st_size / 1e6,
        }
    seconds = {name: [] for name in paths}
    for _ in range(REPEATS):
        for name, classifier in classifiers.items():
            start = time.perf_counter()
            classifier.predict_window(texts[:TIMED])
            seconds[name].append(time.perf_counter() - start)
    for name in paths:
        found[name]["reviews_per_second"] = len(texts[:TIMED]) / statistics.median(seconds[name])
    return found


def quantize(path, data_dir, max_drop):
    """Returns the INT8 ov.Model of a classifier, some of whose layers accuracy control may have left in FP32.

    Args:
      path: of classifier.xml.
      data_dir: Path of the folder of train.jsonl and test.jsonl.
      max_drop: of accuracy on the test reviews, beyond which accuracy control takes over.
    Source: NNCF's post-training quantisation, with its preset for transformers.
    """
    core, classifier = ov.Core(), Classifier(path)
    network = core.read_model(path)
    texts, _ = read_rows(data_dir / "train.jsonl")
    features = [features for text in texts[:CALIBRATION] for _, features in classifier.batches([text])]
    settings = {"model_type": nncf.ModelType.TRANSFORMER, "subset_size": len(features)}
    quantized = nncf.quantize(network, nncf.Dataset(features), **settings)

    texts, labels = read_rows(data_dir / "test.jsonl")
    batches = [(features, labels[chosen]) for chosen, features in classifier.batches(texts)]

    def accuracy(compiled, batches):
        right = [compiled(features)[0].argmax(1) == labels for features, labels in batches]
        return float(np.concatenate(right).mean()), None

    before, after = (accuracy(core.compile_model(model, "CPU"), batches)[0] for model in (network, quantized))
    if before - after <= max_drop:
        return quantized
    print(f"plain quantisation takes accuracy from {before:.4f} to {after:.4f}: some layers will stay FP32")
    validation = nncf.Dataset(batches, lambda batch: batch[0])
    return nncf.quantize_with_accuracy_control(
        network, nncf.Dataset(features), validation, accuracy, max_drop=max_drop, **settings
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m infer.quantize", description=__doc__)
    parser.add_argument("model", type=Path, help="the classifier in FP32, classifier.xml")
    parser.add_argument("output", type=Path, help="the IR to write, .xml; its .bin and results.txt land beside it")
    parser.add_argument("--data_dir", type=Path, required=True, help="the folder of train.jsonl and test.jsonl")
    parser.add_argument("--max_drop", type=float, default=0.005, help="of accuracy that INT8 may cost (default: 0.005)")
    args = parser.parse_args()

    if args.output.suffix != ".xml" or args.output.resolve() == args.model.resolve():
        parser.error(f"{args.output}: an IR's name ends with .xml, and is not that of the model itself")
    if not math.isfinite(args.max_drop):  # nothing would be more than that
        parser.error(f"--max_drop {args.max_drop}: must be a number, such as 0.005")
    nncf.set_log_level("ERROR")
    try:
        network = quantize(args.model, args.data_dir, args.max_drop)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    save_classifier(network, args.output)
    results = measure({"FP32": args.model, "INT8": args.output}, *read_rows(args.data_dir / "test.jsonl"))
    drop = results["FP32"]["accuracy"] - results["INT8"]["accuracy"]
    if drop > args.max_drop:
        for suffix in (".xml", ".bin"):
            args.output.with_suffix(suffix).unlink()
        sys.exit(f"INT8 costs {drop:.4f} of accuracy, more than {args.max_drop:g}, even with layers in FP32: keep FP32")
    line = "{}: accuracy {accuracy:.4f}, loss {loss:.4f}, {megabytes:.1f} MB, {reviews_per_second:.1f} reviews/s\n"
    ratio = results["INT8"]["reviews_per_second"] / results["FP32"]["reviews_per_second"]
    slower = "" if ratio > 1 else ": on this CPU INT8 is no faster, use FP32"
    args.output.with_name("results.txt").write_text(
        "".join(line.format(name, **found) for name, found in results.items())
        + f"INT8 is {ratio:.2f} times as fast as FP32 here{slower}\n"
    )


if __name__ == "__main__":
    run(main)
