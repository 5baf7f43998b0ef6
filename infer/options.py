"""The options that the commands on a classifier share, and the Classifier they stand for."""

import sys
from pathlib import Path

from infer.classifier import HINTS, Classifier
from infer.ir import is_classifier
from infer.precision import PRECISIONS, TOLERANCE
from infer.text.long import LONG, LONG_HELP

ENGINES = ("local", "ray")


def add_model(parser):
    """Adds to an ArgumentParser which classifier, and on what."""
    parser.add_argument("-m", "--model", required=True, help="the IR that `make classifier` writes, classifier.xml")
    parser.add_argument("-d", "--device", default="CPU", help="the device to run on (default: CPU)")


def add_precision(parser):
    """Adds to an ArgumentParser in what a classifier computes; None, the default, is FP32."""
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="fp32; bf16 if the device has it; int8 of `make int8`; auto: the fastest that costs no more than "
        "--tolerance (default: fp32)",
    )
    add_tolerance(parser)


def add_tolerance(parser):
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help="what auto may cost: by how much a probability of the classifier's probes may differ, where no label does "
        f"(default: {TOLERANCE})",
    )


def add_hint(parser):
    parser.add_argument("--hint", choices=HINTS, default=HINTS[0], help=f"what to tune for (default: {HINTS[0]})")


def add_engine(parser, what):
    """Adds to an ArgumentParser whether Ray does it, and which; `what` tells what that is."""
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help=f"{what} (default: {ENGINES[0]})")
    parser.add_argument("--ray_address", help="of a Ray cluster, HOST:PORT (default: a Ray of its own, here)")


def add_long(parser):
    """Adds to an ArgumentParser how long texts are read; None, the default, is to cut them."""
    parser.add_argument("--long", choices=LONG, help=LONG_HELP)


def load(args, hint=None):
    """Returns the Classifier of parsed options; exits with one line if there is none, or it cannot be run."""
    model = Path(args.model)
    if model.is_file() and not is_classifier(model):
        sys.exit(f"{model}: not a classifier: make it with `make classifier`")
    precision, long = args.precision or PRECISIONS[0], args.long or LONG[0]
    try:
        classifier = Classifier(model, args.device, hint, None, precision, args.tolerance, long)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    if precision != classifier.precision:
        print(f"{classifier.path}: computes in {classifier.precision}", file=sys.stderr)
    return classifier
