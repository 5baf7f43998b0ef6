"""A run from its input to its output: the input is checked, its windows are scored into parts, the parts are joined.

An engine is a function of a Job that yields (index of a window, bytes of its part), in any order: score_windows of this
module, or that of on_ray.py.
"""

import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from tqdm import tqdm

from infer.classifier import Classifier
from infer.ir import is_classifier
from infer.score.parts import claim, folder_of_parts, join, list_of_errors, locked, remove, save
from infer.score.reading import FLAG, TEXT_COLUMN, Position, Source, choose, open_source
from infer.score.window import add_columns, score_window
from infer.score.writing import UNFIT, check_values, kind_of, to_schema
from infer.text.files import sha256_of
from infer.text.tokenizer import WINDOW

REPORTED = 20  # bad rows, before they are only counted
MAX_KEYS = 10_000  # of a .jsonl that becomes a table, where every row has every column


class Window(NamedTuple):
    """What a window is known by once the input is checked."""

    size: int  # how many good rows
    position: Position  # where it begins in the input


class Job(NamedTuple):
    """What an engine is given."""

    model: Path  # classifier.xml
    classifier: Classifier  # the same, loaded in this process
    hint: str  # it was loaded with, for another process to do so
    path: Path  # of the input
    source: Source  # what is in it
    digests: dict[Path, str]  # SHA-256 of model and path, as this process has read them
    windows: dict[int, Window]  # those to score, by their index
    schema: pa.Schema  # of the rows, without what is added to them
    suffix: str  # of the output, such as .csv


def say_interrupted(terminal=2):
    """Says on a file descriptor, from within a signal's handler, that Ctrl-C came and how to go on."""
    said = b"" if "LOCKED" in os.environ else b"interrupted: run it again to go on\n"  # GNUmakefile says it
    os.write(terminal, b"\n" * os.isatty(terminal) + said)  # after a progress bar


def load_model(model, device, hint):
    """Returns the Classifier at a Path; exits with one line if there is none, or it cannot be run."""
    if model.is_file() and not is_classifier(model):
        sys.exit(f"{model}: not a classifier: make it with `make classifier`")
    try:
        return Classifier(model, device, hint)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


class BadRows:
    """The bad rows of a file: all are counted and listed, the first REPORTED of them said as well.

    Args:
      path: Path of the file.
      strict: exit at the first.
      listed: a binary file to list them in, unbuffered.
    """

    def __init__(self, path, strict, listed):
        self.path, self.strict, self.listed, self.count = path, strict, listed, 0
        self.unit = "row" if path.suffix.lower() == ".parquet" else "line"

    def report(self, number, why):
        """Takes the number of a bad row, and what is wrong with it."""
        self.count += 1
        if self.strict:
            sys.exit(f"{self.path}: {self.unit} {number}: {why}: mend it, or leave out --strict to skip it")
        try:
            line = f"{self.unit} {number}: {' '.join(why.splitlines())}\n".encode(errors="backslashreplace")
            if self.listed.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            sys.exit(f"{self.path}: cannot list its bad rows: {error.strerror}: mend that, e.g. make room")
        if self.count <= REPORTED:
            tqdm.write(f"{self.path}: {self.unit} {number}: {why}: skipped", file=sys.stderr)

    def report_rest(self):
        """Says how many more there were than have been said."""
        if self.count > REPORTED:
            print(f"{self.path}: and {self.count - REPORTED} more bad rows: skipped", file=sys.stderr)


def check(path, read, kinds, strict, suffix, listed):
    """Reads a file of reviews from end to end, and reports its bad rows.

    Args:
      path: Path.
      read: of its Source.
      kinds: {column: set of the kinds of its values}, added to if it is a .jsonl.
      strict: exit at the first bad row.
      suffix: of the format to write, which has to hold every value.
      listed: a file to list all bad rows in, as bytes.
    Returns: (list of Window, number of bad rows). Raises: SystemExit, OSError.
    """
    found, bad = [], BadRows(path, strict, listed)
    with tqdm(desc="check", unit="row", unit_scale=True, leave=False, disable=None) as bar:  # None: terminals only
        for rows, texts, position in read(bad.report):
            found.append(Window(len(texts), position))
            bar.update(len(texts))
            for row in rows if path.suffix.lower() == ".jsonl" else ():
                for name, value in row.items():
                    kinds.setdefault(name, set()).add(kind_of(value))
            try:
                if isinstance(rows, pa.Table) and suffix not in (".parquet", ".txt"):
                    check_values(rows)
            except UNFIT as error:
                sys.exit(f"{path}: a value that {suffix} cannot hold: {error}: write a .parquet")
    bad.report_rest()
    return found, bad.count


def check_input(args, source, added, listed):
    """Checks the rows of args.input, and that the output can have columns for all that is in them.

    Args:
      args: score's.
      source: Source of the input.
      added: the names of the columns that are added.
      listed: check's.
    Returns: (list of Window, number of bad rows, pa.Schema of the rows). Raises: SystemExit, OSError.
    """
    path, suffix = args.input, args.output.suffix.lower()
    kinds = {name: {"str"} if name == source.text_column else set() for name in source.columns}
    windows, bad = check(path, source.read, kinds, args.strict, suffix, listed)
    if choose(path, list(kinds), args.text_column) != source.text_column:
        sys.exit(f"{path}: some rows have {TEXT_COLUMN!r} and some not: name the text with {FLAG}")
    if path.suffix.lower() == ".jsonl" and len(kinds) > MAX_KEYS and suffix not in (".jsonl", ".txt"):
        advice = "too many for the columns of a table: write a .jsonl or .txt"
        sys.exit(f"{path}: {len(kinds)} different keys, {advice}")
    schema = source.schema or to_schema(kinds)
    if suffix != ".txt" and (taken := [name for name in added if name in schema.names]):
        sys.exit(f"{path}: has a column {taken[0]!r} already: rename it, or write a .txt")
    return windows, bad, schema


def describe(args, text_column, digests):
    """Returns what the parts depend on, as claim takes it; `digests` is {path: SHA-256} of the model and the input."""
    model, path = Path(args.model), args.input
    return {
        "input": f"{digests[path]} {path.suffix.lower()}",
        "model": f"{digests[model]} {sha256_of(model.with_suffix('.bin'))}",
        "text_column": text_column,
        "device": args.device,
        "hint": args.hint,
        "window": f"{WINDOW} rows",
    }


def find_parts(folder, windows, suffix):
    """Finds out which windows have their part already, and says so if some do.

    Args:
      folder: Path of OUTPUT.parts/.
      windows: list of Window.
      suffix: of the output.
    Returns: (list of the Path of each window's part, {index: Window} of those without one).
    """
    parts = [folder / f"{i:08}{suffix}" for i in range(len(windows))]
    missing = {i: windows[i] for i, part in enumerate(parts) if not part.exists()}
    rows = count_rows(windows)
    if done := rows - count_rows(missing.values()):
        print(f"{folder}: going on after {done} of {rows} rows", file=sys.stderr)
    return parts, missing


def count_rows(windows):
    return sum(window.size for window in windows)


def score_windows(job):
    """Scores the windows of a Job in this process, one after the other.

    Yields: (index of a window, bytes of its part).
    """
    for i, (rows, texts, _) in enumerate(job.source.read(lambda number, why: None)):
        if i in job.windows:
            yield i, score_window(job.classifier, rows, texts, job.schema, job.suffix)


def save_parts(job, engine, parts, total):
    """Has an engine score, and saves each part as it comes.

    Args:
      job: Job.
      engine: function of it.
      parts: list of the Path of each window's part.
      total: int, the rows of the input.
    Raises: SystemExit if the classifier answers with NaN; one of UNFIT if a value does not fit, though the input is
      what it was when that was checked.
    """
    done = total - count_rows(job.windows.values())
    with tqdm(desc="score", unit="row", total=total, initial=done, disable=None) as bar:
        try:
            for i, content in engine(job):
                save(parts[i], lambda file, content=content: file.write(content))
                bar.update(job.windows[i].size)
        except FloatingPointError as error:
            sys.exit(f"{job.model}: {error}")
        except UNFIT:
            if sha256_of(job.path) == job.digests[job.path]:
                raise


def has_changed(path, before, sha256):
    """Tells whether a file is another than that of an os.stat_result and a SHA-256."""
    after = path.stat()
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) and sha256_of(path) != sha256


def put_in_place(output, parts, schema, bad, listed):
    """Joins the parts, moves them and the list of bad rows to where they belong, and removes the folder of parts.

    Args:
      output: Path.
      parts: list of the Path of each window's part.
      schema: pa.Schema of the parts.
      bad: int, how many rows are bad; if none, a list that is there is removed.
      listed: the file that they are listed in.
    """
    folder, errors = folder_of_parts(output), list_of_errors(output)
    save(folder / "whole", lambda file: join(parts, output.suffix.lower(), schema, file))
    if bad:
        save(folder / "errors", lambda file: (listed.seek(0), shutil.copyfileobj(listed, file)))
        os.replace(folder / "errors", errors)
    elif errors.exists():
        errors.unlink()
    os.replace(folder / "whole", output)
    remove(folder)


def score(args, engine=score_windows):
    """Scores args.input into args.output. Raises: SystemExit with what is wrong; OSError.

    Args:
      args: of the command: input and output, each a Path, model, device, hint, text_column, strict.
      engine: score_windows, or another such function.
    """
    model, path, output = Path(args.model), args.input, args.output
    suffix, folder = output.suffix.lower(), folder_of_parts(output)
    classifier = load_model(model, args.device, args.hint)
    added = add_columns(classifier.labels)
    before = path.stat()
    source = open_source(path, args.text_column)
    sha256 = sha256_of(path)  # before anything is read from it that would have to be of the same file
    # The list of bad rows has no name until it is whole, and so none to clear away. Unbuffered: closing it can't fail.
    with tempfile.TemporaryFile(buffering=0, dir=output.parent) as listed:
        windows, bad, schema = check_input(args, source, added, listed)
        digests = {model: sha256_of(model), path: sha256}
        manifest = describe(args, source.text_column, digests)
        with locked(folder):
            claim(folder, manifest)
            parts, missing = find_parts(folder, windows, suffix)
            job = Job(model, classifier, args.hint, path, source, digests, missing, schema, suffix)
            save_parts(job, engine, parts, count_rows(windows))
            if has_changed(path, before, sha256):
                remove(folder)
                sys.exit(f"{path}: has changed while it was scored: run it again")
            whole = pa.schema([*schema, *map(pa.field, added, added.values())], schema.metadata)
            put_in_place(output, parts, whole, bad, listed)
    print(summary(output, count_rows(windows), bad))


def summary(output, rows, bad):
    """Returns the line that says how many rows are scored, how many bad, and where these are listed."""
    skipped = f"{bad} bad row{'' if bad == 1 else 's'} skipped"
    return f"{output}: scored {rows} rows, {skipped}{f', listed in {list_of_errors(output)}' if bad else ''}"
