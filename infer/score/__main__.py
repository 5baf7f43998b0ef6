"""Scores a file of reviews: python -m infer score -m classifier.xml reviews.csv scored.csv

Reads and writes .csv, .tsv, .jsonl, .json, .parquet and .txt (one text a line), all but .parquet also as .gz, .bz2 and
.zst. To the columns that are there it adds `label` and the probability of each label, such as p_negative, or
predicted_label and so on if there is such a column; a .txt gets these alone, a line for each row, with tabs. The input
is read twice, first to check it; any number of rows takes the same memory. The rows that are bad are listed in
OUTPUT.errors, if there are any. What has been scored is kept in OUTPUT.parts/ until OUTPUT is whole: given again, a
command that was interrupted or killed goes on from there.

With --engine ray the rows are scored by Ray Data, on this machine or a cluster of them: see infer/score/on_ray.py.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from infer.options import add_engine, add_hint, add_long, add_model, add_precision
from infer.score.dialect import MARKS
from infer.score.files import find_files, format_of
from infer.score.parts import list_of_errors
from infer.score.reading import add_dialect, find_encoding
from infer.score.rows import DELIMITERS
from infer.score.run import say_interrupted, score
from infer.text.script import run


def interrupt(number, frame):
    """Ends at once, whatever is under way: what is in OUTPUT.parts/ is whole at any moment."""
    say_interrupted()
    os._exit(130)


def check_output(output, given, files):
    """Exits if OUTPUT cannot be written, or is what is read, before anything long.

    Args:
      output: Path.
      given: list of Path, files and folders.
      files: list of Path, what is in them.
    """
    format_of(output)
    if output.exists() and any(output.samefile(path) for path in files):
        sys.exit(f"{output}: is the input: give the output another name")
    if output.is_symlink():
        sys.exit(f"{output}: a link that leads to itself: give the output another name")
    if output.exists() and not output.is_file():
        sys.exit(f"{output}: is a folder or a device: give the name of a file")
    if list_of_errors(output).is_dir():
        sys.exit(f"{list_of_errors(output)}: is a folder, and bad rows are to be listed in it: move it away")
    if any(path.is_dir() and path.samefile(output.parent) for path in given if output.parent.exists()):
        sys.exit(f"{output}: in the folder that is scored: give the output another one")
    try:
        with tempfile.TemporaryFile(dir=output.parent):  # os.access knows nothing of a full or broken disk
            pass
    except OSError as error:
        sys.exit(f"{output.parent}: cannot write to this folder: {error.strerror}")


def build_parser():
    parser = argparse.ArgumentParser(
        prog="python -m infer score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model(parser)
    add_hint(parser)
    add_precision(parser)
    add_long(parser)
    add_dialect(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first bad row, instead of skipping it")
    add_engine(parser, "what scores")
    parser.add_argument(
        "input",
        type=Path,
        nargs="+",
        metavar="INPUT",
        help="the file to score; several, or a folder of them, as one table",
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file to write; one that is there is replaced")
    return parser


def main(arguments=None):
    """Runs the command. Raises: SystemExit with what is wrong; OSError.

    Args:
      arguments: list of str, or None for those of the process.
    """
    parser = build_parser()
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # which a background shell hands down
        signal.signal(signal.SIGINT, interrupt)
    args = parser.parse_args(arguments)
    if args.ray_address and args.engine != "ray":
        parser.error("--ray_address is for --engine ray")
    if args.output.is_symlink():
        args.output = Path(os.path.realpath(args.output))
    args.encoding = find_encoding(args.encoding)
    args.delimiter = MARKS.get(args.delimiter)
    given, args.input = args.input, find_files(args.input)
    check_output(args.output, given, args.input)
    table = format_of(args.input[0]) in DELIMITERS
    if foreign := [name for name in ("delimiter", "quotes", "no_header") if getattr(args, name) and not table]:
        parser.error(f"--{foreign[0]} is for .csv and .tsv")
    if args.encoding and format_of(args.input[0]) == ".parquet":
        parser.error("--encoding is not for .parquet")
    if args.engine == "local":
        return score(args)
    try:
        from infer.score import on_ray
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not in this environment: score on Ray with .tox/ray/bin/python")
    if signal.getsignal(signal.SIGINT) == interrupt:
        signal.signal(signal.SIGINT, on_ray.interrupt)
    on_ray.score(args)


if __name__ == "__main__":
    run(main)
