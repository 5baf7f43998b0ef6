"""Says what each precision costs and gains on this machine: python -m infer check -m classifier.xml

Measured on the probes that are in the classifier, against the probabilities they had in FP32 where it was made: FP32,
bfloat16 if the device has it, and INT8 if `make int8` has made it. An error if FP32 itself is computed wrongly.
"""

import argparse
import sys

from infer.classifier import measure_each
from infer.options import add_model, add_tolerance
from infer.precision import fastest
from infer.text.script import run


def to_table(costs):
    """Returns the lines of a table of {precision: Cost}."""
    yield f"{'precision':10}{'largest deviation':>19}{'labels changed':>16}{'texts/s':>9}{'one text, ms':>14}"
    for name, cost in costs.items():
        row = f"{cost.deviation:19.2g}{cost.changed:16}{cost.texts_per_second:9.0f}{1000 * cost.seconds:14.2f}"
        yield f"{name:10}{row}"


def main(arguments=None):
    """Runs the command. Raises: SystemExit with what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m infer check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model(parser)
    add_tolerance(parser)
    args = parser.parse_args(arguments)
    try:
        costs = measure_each(args.model, args.device)
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(str(error))
    print("\n".join(to_table(costs)))
    best = fastest(costs, args.tolerance, None)
    print(f"auto is {best}: no probe's label changes, and no probability by more than {args.tolerance:g}")


if __name__ == "__main__":
    run(main)
