"""How many reviews a second these cores could do: python -m bench.roofline BUILD --count N; prints a line of JSON.

No classifier is faster than its matrix products. OpenVINO computes some here, in each precision and nothing else with
them: those of the feed-forward layers, for as many tokens as a batch has. At that rate all the products of the reviews
would take so long (the roofline of Williams et al., "Roofline: An Insightful Visual Performance Model", 2009).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from bench.contenders import BATCH_SIZE, load_encode
from infer.compiled import PRECISION_HINTS, find_device
from infer.text.examples import read_examples
from infer.text.script import run

SECONDS = 2  # of each measurement


def count_flops(lengths, config):
    """Returns the floating-point operations of a review's matrix products, on average.

    Of the last layer only [CLS] is asked for, as in infer/bert.py: all tokens have keys and values there, it alone the
    rest.
    Args:
      lengths: int array (reviews,), with [CLS] and [SEP].
      config: dict of config.json.
    """
    hidden, inner, layers = (config[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    projection, feed_forward = 2 * hidden**2, 4 * hidden * inner

    def layer(asking):
        attention = 4 * hidden * asking * lengths
        return 2 * projection * lengths + asking * (2 * projection + feed_forward) + attention

    return float(np.mean((layers - 1) * layer(lengths) + layer(1) + projection))


def multiply(config, rows, quantized):
    """Returns an ov.Model of nothing but matrix products: float32 (rows, hidden_size) to the same."""
    import openvino as ov
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    ranges = [np.float32(end) for end in (-4, 4, -4, 4)]
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    node = given = ops.parameter([rows, hidden], np.float32)
    for shape in ((hidden, inner), (inner, hidden)) * config["num_hidden_layers"]:
        weight = ops.constant(random.normal(0, shape[0] ** -0.5, shape).astype(np.float32))
        if quantized:
            node, weight = ops.fake_quantize(node, *ranges, 256), ops.fake_quantize(weight, *ranges, 255)
        node = ops.matmul(node, weight, False, False)
    return ov.Model([node], [given])


def measure(core, config, rows, precision):
    """Returns the operations a second of the products alone."""
    import openvino as ov

    hints = {"INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision], "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = core.compile_model(multiply(config, rows, precision == "int8"), "CPU", hints)
    queue = ov.AsyncInferQueue(compiled, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    features = np.random.default_rng(1).normal(size=(rows, config["hidden_size"])).astype(np.float32)
    each = config["num_hidden_layers"] * 4 * rows * config["hidden_size"] * config["intermediate_size"]
    for _ in range(len(queue)):
        queue.start_async([features])
    queue.wait_all()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        queue.start_async([features])
        done += 1
    queue.wait_all()
    return done * each / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.roofline", description=__doc__)
    parser.add_argument("build", type=Path, help="the build, with what `make huggingface` writes")
    parser.add_argument("--count", type=int, required=True, help="how many of the test reviews")
    args = parser.parse_args()
    import openvino as ov

    encode, _, max_seq_length = load_encode(args.build / "huggingface")
    texts = [row["review"] for row in read_examples(args.build / "reviews/test.jsonl")[: args.count]]
    lengths = np.minimum([len(pieces) + 2 for pieces in encode(texts)], max_seq_length)
    config = json.loads((args.build / "huggingface/config.json").read_text())
    core, rows = ov.Core(), int(BATCH_SIZE * lengths.mean())
    found = {"flop": count_flops(lengths, config)}
    precisions = [name for name in PRECISION_HINTS if name != "bf16" or find_device(core, "CPU")[1]]
    print(json.dumps(found | {name: measure(core, config, rows, name) for name in precisions}))


if __name__ == "__main__":
    run(main)
