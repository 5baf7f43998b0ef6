"""Quantises a classifier to INT8 with NNCF: python -m infer.quantize classifier.xml int8.xml --data_dir reviews

Training reviews calibrate it and, if it errs too much, choose the layers that stay in FP32; the test reviews only say
what came of it, and whether it may be shipped. Runs in the openvino-current environment.
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
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from infer.classifier import Classifier
from infer.ir import INFO, ORIGIN, read_info, read_seal, save_classifier, temperature_of
from infer.temperature import compare, heat, write_table
from infer.text.examples import read_examples
from infer.text.script import run

CALIBRATION = 300  # training reviews, NNCF's own default
CHOICE = 1000  # training reviews beside them, on which accuracy control measures
REPEATS = 5
TIMED = 1000  # test reviews


def read_rows(path):
    """Returns (texts, labels (reviews,)) of train.jsonl or test.jsonl."""
    if not (rows := read_examples(path)):
        raise ValueError(f"{path}: no reviews in it")
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
            "probabilities": probabilities,
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


def split_reviews(path):
    """Returns (texts to calibrate on, other texts to choose layers on) of train.jsonl; says if they are few.

    Raises: ValueError if there is not one for each.
    """
    texts, _ = read_rows(path)
    calibration = min(CALIBRATION, len(texts) // 2)
    choice = min(CHOICE, len(texts) - calibration)
    if not calibration:
        raise ValueError(f"{path}: 1 review: give at least 2, {CALIBRATION + CHOICE} for a choice that can be trusted")
    if choice < CHOICE:
        print(
            f"{path}: {len(texts)} reviews: {calibration} calibrate INT8 and {choice} choose its layers, "
            f"where {CALIBRATION} and {CHOICE} should"
        )
    return texts[:calibration], texts[calibration:][:choice]


def closeness(compiled, batches):
    """Returns 1 less the mean total variation distance of a classifier's probabilities from FP32's, and each batch's.

    Args:
      compiled: ov.CompiledModel.
      batches: iterable of ([input_ids, input_mask, segment_ids], FP32's probabilities (batch, labels)).
    """
    near = [1 - np.abs(compiled(features)[0] - fp32).sum(1) / 2 for features, fp32 in batches]
    return float(np.concatenate(near).mean()), [float(batch.mean()) for batch in near]


def quantize(path, data_dir, max_drop):
    """Returns the INT8 ov.Model of a classifier, some of whose layers accuracy control may have left in FP32.

    Layers are chosen by closeness to FP32 and not by accuracy: the model has learned the labels of the training reviews
    and is so sure of them that hardly one changes where INT8 costs much on reviews that it has not seen. How far the
    probabilities move tells of that, and has little noise on CHOICE reviews.

    Args:
      path: of classifier.xml.
      data_dir: Path of the folder of train.jsonl.
      max_drop: mean distance from FP32's probabilities beyond which accuracy control takes over.
    Raises: OSError or ValueError if a file can't be read or has too few reviews; FloatingPointError as Classifier.
    Source: NNCF's post-training quantisation, with its preset for transformers, and its accuracy control. Both compute
      in FP32 what is not INT8, as Classifier does.
    """
    classifier, network = Classifier(path), ov.Core().read_model(path)
    calibration, choice = split_reviews(data_dir / "train.jsonl")
    features = [features for text in calibration for _, features in classifier.batches([text])]
    fp32 = classifier.predict_window(choice)
    batches = [(features, fp32[chosen]) for chosen, features in classifier.batches(choice)]
    settings = {"model_type": nncf.ModelType.TRANSFORMER, "subset_size": len(features)}
    # SmoothQuant by itself: accuracy control gives a layer its weights as they were in the model that it was given, and
    # would leave the activations scaled for others.
    nothing = nncf.IgnoredScope(patterns=[".*"])
    smoothed = nncf.quantize(
        network,
        nncf.Dataset(features),
        ignored_scope=nothing,
        advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        **settings,
    )
    return nncf.quantize_with_accuracy_control(
        smoothed,
        nncf.Dataset(features),
        nncf.Dataset(batches, lambda batch: batch[0]),
        closeness,
        max_drop=max_drop,
        advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
            # Over all calibration reviews: NNCF's default is the mean of each one's own, and cuts off what exceeds it,
            # such as the attention in a short review.
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1),
        ),
        **settings,
    )


def count_fp32(network):
    """Returns how many layers of an ov.Model have their weights in FP32."""
    products = [node for node in network.get_ops() if node.get_type_name() == "MatMul"]
    return sum(node.input_value(1).get_node().get_type_name() == "Constant" for node in products)


def main():
    parser = argparse.ArgumentParser(prog="python -m infer.quantize", description=__doc__)
    parser.add_argument("model", type=Path, help="the classifier in FP32, classifier.xml")
    parser.add_argument("output", type=Path, help="the IR to write, .xml; its .bin and results.txt land beside it")
    parser.add_argument("--data_dir", type=Path, required=True, help="the folder of train.jsonl and test.jsonl")
    parser.add_argument(
        "--max_drop",
        type=float,
        default=0.005,
        help="of accuracy that INT8 may cost, and of probability by which it may be off on average (default: 0.005)",
    )
    args = parser.parse_args()

    if args.output.suffix != ".xml" or args.output.resolve() == args.model.resolve():
        parser.error(f"{args.output}: an IR's name ends with .xml, and is not that of the model itself")
    if not math.isfinite(args.max_drop):  # nothing would be more than that
        parser.error(f"--max_drop {args.max_drop}: must be a number, such as 0.005")
    nncf.set_log_level("ERROR")
    try:
        test = read_rows(args.data_dir / "test.jsonl")
        network = quantize(args.model, args.data_dir, args.max_drop)
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(str(error))
    layers, left = count_fp32(ov.Core().read_model(args.model)), count_fp32(network)
    if left == layers:
        sys.exit(f"no layer can be INT8 if its probabilities are to be within {args.max_drop:g} of FP32's: keep FP32")
    network.set_rt_info(read_seal(args.model), [INFO, ORIGIN])
    save_classifier(network, args.output)
    try:
        results = measure({"FP32": args.model, "INT8": args.output}, *test)
        drop = results["FP32"]["accuracy"] - results["INT8"]["accuracy"]
        if drop > args.max_drop:
            raise ValueError(
                f"INT8, {left} of {layers} layers left in FP32, costs {drop:.4f} of accuracy on the test reviews, more "
                f"than {args.max_drop:g}: keep FP32"
            )
    except (ValueError, FloatingPointError) as error:
        for suffix in (".xml", ".bin"):
            args.output.with_suffix(suffix).unlink()
        sys.exit(str(error))
    line = "{}: accuracy {accuracy:.4f}, loss {loss:.4f}, {megabytes:.1f} MB, {reviews_per_second:.1f} reviews/s\n"
    ratio = round(results["INT8"]["reviews_per_second"] / results["FP32"]["reviews_per_second"], 2)  # as it is said
    slower = "" if ratio > 1 else ": on this CPU INT8 is no faster, use FP32"
    text = "".join(line.format(name, **found) for name, found in results.items())
    text += f"INT8, {left} of {layers} layers left in FP32, is {ratio:.2f} times as fast as FP32 here{slower}\n"
    if temperature := temperature_of(read_info(args.model)[0]):  # it is in the head, and so in the probabilities
        sets = {
            f"test, {name}": (test[1], heat(found["probabilities"], 1 / temperature)) for name, found in results.items()
        }
        text += write_table(temperature, compare(sets, temperature))
    args.output.with_name("results.txt").write_text(text)


if __name__ == "__main__":
    run(main)
