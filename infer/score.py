"""Scores a file of reviews: python -m infer score -m classifier.xml reviews.csv scored.csv

Reads and writes .csv, .tsv, .jsonl, .parquet and .txt (one text a line). To the columns that are there it adds `label`
and the probability of each label, p_negative and p_positive; a .txt gets these alone, a line for each row, with tabs.
The file is read twice, first to check it; any number of rows takes the same memory. The rows that are bad are listed in
OUTPUT.errors, if there are any. What has been scored is kept in OUTPUT.parts/ until OUTPUT is whole: given again, a
command that was interrupted or killed goes on from there.

With --engine ray the rows are scored by Ray Data, on this machine or a cluster of them: see infer/cluster.py.
"""

import argparse
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

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

ENGINES = ("local", "ray")
REPORTED = 20  # bad rows, before they are only counted


def say_interrupted(terminal=2):
    """Says on a file descriptor, from within a signal's handler, that Ctrl-C came and how to go on."""
    said = b"" if "LOCKED" in os.environ else b"interrupted: run it again to go on\n"  # GNUmakefile says it
    os.write(terminal, b"\n" * os.isatty(terminal) + said)  # after a progress bar


def interrupt(number, frame):
    """Ends at once, whatever is under way: what is in OUTPUT.parts/ is whole at any moment."""
    say_interrupted()
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


def list_of_errors(output):
    """Returns the Path of the list of bad rows that belongs to an output's."""
    return output.with_name(output.name + ".errors")


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
    if list_of_errors(output).is_dir():
        sys.exit(f"{list_of_errors(output)}: is a folder, and bad rows are to be listed in it: move it away")
    with open(source, "rb"):
        pass
    try:
        with tempfile.TemporaryFile(dir=output.parent):  # os.access knows nothing of a full or broken disk
            pass
    except OSError as error:
        sys.exit(f"{output.parent}: cannot write to this folder: {error.strerror}")


def check(path, read, kinds, strict, suffix, errors):
    """Reads a file of reviews from end to end, and reports its bad rows.

    Args:
      path: Path.
      read: open_source's.
      kinds: {column: set of the kinds of its values}, added to if it is a .jsonl.
      strict: exit at the first bad row.
      suffix: of the format to write, which has to hold every value.
      errors: a file to list all bad rows in, as bytes.
    Returns: (number of rows and place of each window, number of bad rows). Raises: SystemExit, OSError.
    """
    unit = "row" if path.suffix.lower() == ".parquet" else "line"
    found, bad = [], 0

    def report(number, why):
        nonlocal bad
        bad += 1
        if strict:
            sys.exit(f"{path}: {unit} {number}: {why}: mend it, or leave out --strict to skip it")
        try:
            line = f"{unit} {number}: {' '.join(why.splitlines())}\n".encode(errors="backslashreplace")
            if errors.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            sys.exit(f"{path}: cannot list its bad rows: {error.strerror}: mend that, e.g. make room")
        if bad <= REPORTED:
            tqdm.write(f"{path}: {unit} {number}: {why}: skipped", file=sys.stderr)

    with tqdm(desc="check", unit="row", unit_scale=True, leave=False, disable=None) as bar:  # None: terminals only
        for window, texts, place in read(report):
            found.append((len(texts), place))
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
    return found, bad


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


def add_columns(labels):
    """Returns {column: Arrow type} of what is added to a row."""
    return {"label": pa.string()} | {f"p_{label.lower()}": pa.float32() for label in labels}


def score_window(classifier, window, texts, schema, suffix):
    """Predicts a window; returns the bytes of its part. Raises one of UNFIT if a value does not fit in `suffix`."""
    probabilities = classifier.predict_window(texts)
    labels = [classifier.labels[i] for i in probabilities.argmax(1)]
    answers = dict(zip(add_columns(classifier.labels), [labels, *probabilities.T], strict=True))
    return (to_parquet if suffix == ".parquet" else to_text)(window, answers, schema, suffix)


def score_windows(job):
    """Scores windows in this process, one after the other.

    Args:
      job: score's.
    Yields: (index of a window, bytes of its part).
    """
    for i, (window, texts, _) in enumerate(job.read(lambda number, why: None)):
        if i in job.windows:
            yield i, score_window(job.classifier, window, texts, job.schema, job.suffix)


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


def score(args, engine=score_windows):
    """Scores args.input into args.output. Raises: SystemExit with what is wrong; OSError.

    Args:
      args: main's.
      engine: score_windows, or another such function.
    """
    source, output = args.input, args.output
    suffix, folder = output.suffix.lower(), output.with_name(output.name + ".parts")
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
    # The list of bad rows has no name until it is whole, and so none to clear away. Unbuffered: closing it can't fail.
    with tempfile.TemporaryFile(buffering=0, dir=output.parent) as listed:
        windows, bad = check(source, read, kinds, args.strict, suffix, listed)
        if choose(source, list(kinds), args.text_column) != column:
            sys.exit(f"{source}: some rows have {TEXT_COLUMN!r} and some not: name the text with --text_column")
        if source.suffix.lower() == ".jsonl" and len(kinds) > MAX_KEYS and suffix not in (".jsonl", ".txt"):
            advice = "too many for the columns of a table: write a .jsonl or .txt"
            sys.exit(f"{source}: {len(kinds)} different keys, {advice}")
        schema = schema or to_schema(kinds)
        added = add_columns(classifier.labels)
        if suffix != ".txt" and (taken := [name for name in added if name in schema.names]):
            sys.exit(f"{source}: has a column {taken[0]!r} already: rename it, or write a .txt")
        digest_of_model = digest(model)
        manifest = {
            "input": f"{sha256} {source.suffix.lower()}",
            "model": f"{digest_of_model} {digest(model.with_suffix('.bin'))}",
            "text_column": column,
            "device": args.device,
            "hint": args.hint,
            "window": f"{WINDOW} rows",
        }
        with locked(folder):
            claim(folder, manifest)
            parts = [folder / f"{i:08}{suffix}" for i in range(len(windows))]
            todo = [i for i, part in enumerate(parts) if not part.exists()]
            rows = sum(size for size, _ in windows)
            done = rows - sum(windows[i][0] for i in todo)
            if done:
                print(f"{folder}: going on after {done} of {rows} rows", file=sys.stderr)
            job = SimpleNamespace(
                sha256={model: digest_of_model, source: sha256},
                model=model,
                classifier=classifier,
                hint=args.hint,
                source=source,
                column=column,
                read=read,
                windows={i: windows[i] for i in todo},
                schema=schema,
                suffix=suffix,
            )
            with tqdm(desc="score", unit="row", total=rows, initial=done, disable=None) as bar:
                try:
                    for i, content in engine(job):
                        save(parts[i], lambda file, content=content: file.write(content))
                        bar.update(windows[i][0])
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
            errors = list_of_errors(output)
            if bad:
                save(folder / "errors", lambda file: (listed.seek(0), shutil.copyfileobj(listed, file)))
                os.replace(folder / "errors", errors)
            elif errors.exists():
                errors.unlink()
            os.replace(folder / "whole", output)
            remove(folder)
    skipped = f"{bad} bad row{'' if bad == 1 else 's'} skipped{f', listed in {errors}' if bad else ''}"
    print(f"{output}: scored {rows} rows, {skipped}")


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m infer score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-m", "--model", required=True, help="the IR that `make classifier` writes, classifier.xml")
    parser.add_argument("-d", "--device", default="CPU", help="the device to run on (default: CPU)")
    parser.add_argument("--hint", choices=HINTS, default=HINTS[0], help=f"what to tune for (default: {HINTS[0]})")
    parser.add_argument("--text_column", help="the column of the texts (default: review, or the only one)")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad row, instead of skipping it")
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help=f"what scores (default: {ENGINES[0]})")
    parser.add_argument("--ray_address", help="of a Ray cluster, HOST:PORT (default: a Ray of its own, here)")
    parser.add_argument("input", type=Path, metavar="INPUT", help="the file to score")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file to write; one that is there is replaced")
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # which a background shell hands down
        signal.signal(signal.SIGINT, interrupt)
    args = parser.parse_args(arguments)
    if args.ray_address and args.engine != "ray":
        parser.error("--ray_address is for --engine ray")
    if args.output.is_symlink():
        args.output = Path(os.path.realpath(args.output))
    check_paths(args.input, args.output)
    if args.engine == "local":
        return score(args)
    try:
        from infer import cluster
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not in this environment: score on Ray with .tox/ray/bin/python")
    if signal.getsignal(signal.SIGINT) == interrupt:
        signal.signal(signal.SIGINT, cluster.interrupt)
    cluster.score(args)
