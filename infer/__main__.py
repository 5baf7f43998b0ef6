"""Predicts movie reviews with OpenVINO: python -m infer -m classifier.xml "A review" "Another"

The IR that `make classifier` writes holds all that is needed. Of that which `make ir` writes, the encoder alone,
weight.npy and bias.npy are read from the IR's folder, vocab.txt from pretrained/ in it, unless --vocab_file says
otherwise (of a model from a TF Hub module it is in module/): the guide's way, one review at a time.

`python -m infer score` scores a file, .csv, .tsv, .json, .jsonl, .parquet or .txt: see `python -m infer score --help`.
`python -m infer evaluate` measures the classifier on such a file with labels, `python -m infer check` what bfloat16 and
INT8 cost and gain on this machine. `python -m infer serve` serves it over HTTP.
"""

import argparse
import importlib
import signal
import sys
from pathlib import Path

import numpy as np

from infer.classifier import HINTS
from infer.ir import is_classifier
from infer.options import add_long, add_precision, load
from infer.precision import EXACT
from infer.text.examples import GUIDE_REVIEWS, read_lines
from infer.text.long import ADVICE, count, say
from infer.text.script import run
from infer.text.tokenizer import load_tokenizer, read_casing, read_vocab, to_features

# Each with its module, the environment that it is for, and the package's extra that brings what it needs.
COMMANDS = {
    "score": ("infer.score.__main__", "openvino-current", "score"),
    "evaluate": ("infer.score.evaluate", "openvino-current", "score"),
    "check": ("infer.check", "openvino-current", "score"),
    "serve": ("infer.serve.__main__", "serve", "serve"),
}


def compare(probabilities, reference):
    """Returns a line with the largest difference from the probabilities in `reference`, TensorFlow's.

    Args:
      probabilities: float array (reviews, labels).
      reference: path of run_classifier_predict.py's test_results.tsv.
    Raises: SystemExit if it is above EXACT, or a label differs.
    """
    try:
        expected = np.loadtxt(reference, np.float32, delimiter="\t", ndmin=2)
    except (OSError, ValueError) as error:
        sys.exit(f"{reference}: cannot read TensorFlow's probabilities: {error}")
    if expected.shape != probabilities.shape:
        sys.exit(f"{reference}: {len(expected)} reviews, not these {len(probabilities)}: predict both from one file")
    difference = np.abs(probabilities - expected).max()
    changed = (probabilities.argmax(1) != expected.argmax(1)).sum()
    line = f"largest difference from TensorFlow: {difference:.2g} on {len(expected)} reviews, {changed} labels differ"
    if changed or not difference <= EXACT:
        sys.exit(f"{line}: more than {EXACT:g}")
    return line


def predict_as_the_guide(args, reviews):
    """Returns (labels, iterator of the probabilities of each review), by the encoder's IR and the head in NumPy."""
    from infer.guide import load_classifier  # imports OpenVINO, where Classifier has files to hash beside that

    predict, max_seq_length, labels = load_classifier(args.model, args.device, args.cpu_extension)
    vocab_file = args.vocab_file or Path(args.model).parent / "pretrained" / "vocab.txt"
    vocab = read_vocab(vocab_file)
    encode = load_tokenizer(vocab, do_lower_case=read_casing(vocab_file) and not args.cased)
    frame, ids = (vocab["[CLS]"], vocab["[SEP]"]), encode(reviews)
    room = max_seq_length - 2
    say(args.file or "the reviews", count([*map(len, ids)], room), room, advice=f"a classifier.xml with {ADVICE}")
    return labels, (predict(to_features(review, frame, max_seq_length)) for review in ids)


def predict_fast(args, reviews):
    """Returns (labels, iterator of the probabilities of each review), by the IR that holds all."""
    classifier = load(args, args.hint)
    say(args.file or "the reviews", classifier.count(reviews), classifier.max_seq_length - 2, classifier.long)
    return classifier.labels, classifier.predict(reviews)


def main():
    if (command := "".join(sys.argv[1:2])) in COMMANDS:
        name, environment, extra = COMMANDS[command]
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            sys.exit(
                f"{error.name} is not in this environment: {command} with .tox/{environment}/bin/python, or install "
                f"the extra {extra}"
            )
        return module.main(sys.argv[2:])
    parser = argparse.ArgumentParser(
        prog="python -m infer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-m", "--model", required=True, help="the IR: classifier.xml or bert-finetune.xml")
    parser.add_argument("-d", "--device", default="CPU", help="the device to run on (default: CPU)")
    parser.add_argument("-f", "--file", help="a text file of reviews, one a line; - for standard input")
    parser.add_argument("--reference", help="test_results.tsv of the same reviews, to compare with TensorFlow")
    parser.add_argument(
        "--hint", choices=HINTS, help="classifier.xml: for many reviews, or for a quick answer to a few"
    )
    add_precision(parser)
    add_long(parser)
    parser.add_argument("-l", "--cpu_extension", help="a library of custom operations; BERT needs none any more")
    parser.add_argument(
        "--vocab_file", type=Path, help="bert-finetune.xml: the vocabulary (default: pretrained/vocab.txt)"
    )
    parser.add_argument(
        "--cased",
        action="store_true",
        help="bert-finetune.xml: keep case and accents, if the vocabulary has no tokenizer_config.json",
    )
    parser.add_argument("reviews", nargs="*", metavar="REVIEW", help="reviews (default: the guide's four)")
    args = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly under `| head`
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not have every letter
    np.set_printoptions(linewidth=sys.maxsize)  # a review is a line, however many its labels
    if args.file is not None and args.reviews:
        parser.error("give the reviews as arguments or with -f, not both")

    reviews = args.reviews or read_lines(GUIDE_REVIEWS if args.file is None else args.file)
    if is_classifier(args.model):
        if foreign := [name for name in ("cpu_extension", "vocab_file", "cased") if getattr(args, name)]:
            parser.error(f"--{foreign[0]} is not for {args.model}, which holds all it needs")
        labels, answers = predict_fast(args, reviews)
    elif foreign := [name for name in ("hint", "precision", "long") if getattr(args, name)]:
        parser.error(f"--{foreign[0]} is not for {args.model}: make a classifier.xml with `make classifier`")
    else:
        labels, answers = predict_as_the_guide(args, reviews)

    probabilities = []
    try:
        for review, answer in zip(reviews, answers, strict=True):
            probabilities.append(answer)
            print((review, answer, labels[answer.argmax()]))
    except FloatingPointError as error:
        sys.exit(f"{args.model}: {error}")
    if args.reference:
        print(compare(np.array(probabilities), args.reference))


if __name__ == "__main__":
    run(main)
