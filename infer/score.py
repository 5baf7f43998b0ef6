"""Scores a file of reviews: python -m infer score -m classifier.xml reviews.csv scored.csv

Reads and writes .csv, .tsv, .jsonl, .parquet and .txt (one text a line). To the columns that are there it adds `label`
and the probability of each label, p_negative and p_positive; a .txt gets these alone, a line for each row, with tabs.
The file is read twice, first to check it; any number of rows takes the same memory. What has been scored is kept in
OUTPUT.parts/ until OUTPUT is whole: given again, a command that was interrupted or killed goes on from there.
"""

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from infer.classifier import HINTS, WINDOW, Classifier, digest, is_classifier
from infer.tables import (
    DELIMITERS,
    MAX_KEYS,
    SUFFIXES,
    TEXT_COLUMN,
    UNFIT,
    check_values,
    choose,
    kind_of,
    open_source,
    to_csv,
    to_parquet,
    to_schema,
    to_text,
)

REPORTED = 20  # bad rows, before they are only counted


def interrupt(number, frame):
    """Ends at once, whatever is under way: what is in OUTPUT.parts/ is whole at any moment."""
    said = b"" if "LOCKED" in os.environ else b"interrupted: run it again to go on\n"  # GNUmakefile says it
    os.write(2, b"\n" * os.isatty(2) + said)  # after a progress bar
    os._exit(130)


def save(path, write):
    """Writes a file whole or not at all; exits if that fails, e.g. on a full disk."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        sys.exit(f"{path}: {error.strerror or error}: mend that, e.g. make room, and run it again to go on")


def check_paths(source, output):
    """Exits if what is given cannot be read or written, before anything long."""
    for path in (source, output):
        if path.suffix.lower() not in SUFFIXES:
            sys.exit(f"{path}: unknown extension {path.suffix!r}: choose one of {', '.join(SUFFIXES)}")
    if not source.is_file():
        sys.exit(f"{source}: no such file")
    if output.exists() and output.samefile(source):
        sys.exit(f"{output}: is the input: give the output another name")
    if output.is_symlink():
        sys.exit(f"{output}: a link that leads to itself: give the output another name")
    if output.exists() and not output.is_file():
        sys.exit(f"{output}: is a folder or a device: give the name of a file")
    with open(source, "rb"):
        pass
    try:
        with tempfile.TemporaryFile(dir=output.parent):  # os.access knows nothing of a full or broken disk
            pass
    except OSError as error:
        sys.exit(f"{output.parent}: cannot write to this folder: {error.strerror}")


def check(path, read, kinds, strict, suffix):
    """Reads a file of reviews from end to end, and reports its bad rows.

    Args:
      path: Path.
      read: open_source's.
      kinds: {column: set of the kinds of its values}, added to if it is a .jsonl.
      strict: exit at the first bad row.
      suffix: of the format to write, which has to hold every value.
    Returns: (number of rows of each window, number of bad rows). Raises: SystemExit, OSError.
    """
    unit = "row" if path.suffix.lower() == ".parquet" else "line"
    sizes, bad = [], 0

    def report(number, why):
        nonlocal bad
        bad += 1
        if strict:
            sys.exit(f"{path}: {unit} {number}: {why}: mend it, or leave out --strict to skip it")
        if bad <= REPORTED:
            tqdm.write(f"{path}: {unit} {number}: {why}: skipped", file=sys.stderr)

    with tqdm(desc="check", unit="row", unit_scale=True, leave=False, disable=None) as bar:  # None: terminals only
        for window, texts in read(report):
            sizes.append(len(texts))
            bar.update(len(texts))
            for row in window if path.suffix.lower() == ".jsonl" else ():
                for name, value in row.items():
                    kinds.setdefault(name, set()).add(kind_of(value))
            try:
                if isinstance(window, pa.Table) and suffix not in (".parquet", ".txt"):
                    check_values(window)
            except UNFIT as error:
                sys.exit(f"{path}: a value that {suffix} cannot hold: {error}: write a .parquet")
    if bad > REPORTED:
        print(f"{path}: and {bad - REPORTED} more bad rows: skipped", file=sys.stderr)
    return sizes, bad


@contextlib.contextmanager
def locked(folder):
    """Makes a folder, or takes it up again, for this run alone; exits if another is at it."""
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        sys.exit(f"{folder}: another run is at work on it: wait until it has ended")
    finally:
        os.close(lock)


def claim(folder, manifest):
    """Notes in OUTPUT.parts/ what its parts are made of; exits if it was begun with something else.

    Args:
      folder: its Path.
      manifest: {what: str}, all that the parts depend on.
    """
    path = folder / "manifest.txt"
    lines = {what: f"{what}: {value}\n" for what, value in manifest.items()}
    if path.exists():
        begun = path.read_text(errors="replace")
        if others := [what for what, line in lines.items() if line not in begun]:
            advice = "give the same again to go on, or remove the folder to start over"
            sys.exit(f"{folder}: begun with another {', another '.join(others)}: {advice}")
    elif {file.name for file in folder.iterdir()} - {"manifest.txt.part"}:
        sys.exit(f"{folder}: not begun by this command, yet not empty: move it away")
    else:
        save(path, lambda file: file.write("".join(lines.values()).encode()))


def remove(folder):
    """Removes OUTPUT.parts/, its manifest last, so that it can be taken up if this is cut short."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "manifest.txt"):
        path.unlink()
    folder.rmdir()


def score_parts(classifier, windows, parts, encode, bar):
    """Predicts the windows whose parts are not there yet, and saves each as its part.

    Args:
      classifier: Classifier.
      windows: iterator of (window, texts).
      parts: list of Path, a window each.
      encode: function: window, list of labels, float32 array (rows, labels) to bytes.
      bar: tqdm of rows.
    """
    for part, (window, texts) in zip(parts, windows, strict=False):  # of other lengths if the input changes meanwhile
        if not part.exists():
            probabilities = classifier.predict_window(texts)
            content = encode(window, [classifier.labels[i] for i in probabilities.argmax(1)], probabilities)
            save(part, lambda file, content=content: file.write(content))
            bar.update(len(texts))


def join(parts, suffix, schema, file):
    """Writes the parts, one after another, to a binary file; `schema` is that of them."""
    if suffix == ".parquet":
        with pq.ParquetWriter(file, schema) as writer:
            for part in parts:
                writer.write_table(pq.ParquetFile(part).read())
        return
    if suffix in DELIMITERS:
        file.write(to_csv([schema.names], suffix))
    for part in parts:
        with open(part, "rb") as text:
            shutil.copyfileobj(text, file)


def score(args):
    """Scores args.input into args.output. Raises: SystemExit with what is wrong; OSError."""
    source = args.input
    output = Path(os.path.realpath(args.output)) if args.output.is_symlink() else args.output
    check_paths(source, output)
    model = Path(args.model)
    if model.is_file() and not is_classifier(model):
        sys.exit(f"{model}: not a classifier: make it with `make classifier`")
    try:
        classifier = Classifier(model, args.device, args.hint)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    before = source.stat()
    columns, column, schema, read = open_source(source, args.text_column)
    kinds = {name: {"str"} if name == column else set() for name in columns}
    sha256 = digest(source)  # before anything is read from it that would have to be of the same file
    sizes, bad = check(source, read, kinds, args.strict, output.suffix.lower())
    if choose(source, list(kinds), args.text_column) != column:
        sys.exit(f"{source}: some rows have {TEXT_COLUMN!r} and some not: name the text with --text_column")
    if source.suffix.lower() == ".jsonl" and len(kinds) > MAX_KEYS and output.suffix.lower() not in (".jsonl", ".txt"):
        sys.exit(f"{source}: {len(kinds)} different keys, too many for the columns of a table: write a .jsonl or .txt")
    schema = schema or to_schema(kinds)
    added = {"label": pa.string()} | {f"p_{label.lower()}": pa.float32() for label in classifier.labels}
    suffix, folder = output.suffix.lower(), output.with_name(output.name + ".parts")
    if suffix != ".txt" and (taken := [name for name in added if name in schema.names]):
        sys.exit(f"{source}: has a column {taken[0]!r} already: rename it, or write a .txt")

    def encode(window, labels, probabilities):
        answers = dict(zip(added, [labels, *probabilities.T], strict=True))
        return (to_parquet if suffix == ".parquet" else to_text)(window, answers, schema, suffix)

    manifest = {
        "input": f"{sha256} {source.suffix.lower()}",
        "model": f"{digest(model)} {digest(model.with_suffix('.bin'))}",
        "text_column": column,
        "device": args.device,
        "hint": args.hint,
        "window": WINDOW,
    }
    with locked(folder):
        claim(folder, manifest)
        parts = [folder / f"{i:08}{suffix}" for i in range(len(sizes))]
        done = sum(size for size, part in zip(sizes, parts, strict=True) if part.exists())
        if done:
            print(f"{folder}: going on after {done} of {sum(sizes)} rows", file=sys.stderr)
        with tqdm(desc="score", unit="row", total=sum(sizes), initial=done, disable=None) as bar:
            try:
                score_parts(classifier, read(lambda number, why: None), parts, encode, bar)
            except FloatingPointError as error:
                sys.exit(f"{model}: {error}")
            except UNFIT:
                if digest(source) == sha256:
                    raise
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) and digest(source) != sha256:
            remove(folder)
            sys.exit(f"{source}: has changed while it was scored: run it again")
        whole = pa.schema([*schema, *map(pa.field, added, added.values())], schema.metadata)
        save(folder / "whole", lambda file: join(parts, suffix, whole, file))
        os.replace(folder / "whole", output)
        remove(folder)
    print(f"{output}: scored {sum(sizes)} rows, {bad} bad row{'' if bad == 1 else 's'} skipped")


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m infer score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-m", "--model", required=True, help="the IR that `make classifier` writes, classifier.xml")
    parser.add_argument("-d", "--device", default="CPU", help="the device to run on (default: CPU)")
    parser.add_argument("--hint", choices=HINTS, default=HINTS[0], help=f"what to tune for (default: {HINTS[0]})")
    parser.add_argument("--text_column", help="the column of the texts (default: review, or the only one)")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad row, instead of skipping it")
    parser.add_argument("input", type=Path, metavar="INPUT", help="the file to score")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file to write; one that is there is replaced")
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # which a background shell hands down
        signal.signal(signal.SIGINT, interrupt)
    score(parser.parse_args(arguments))
