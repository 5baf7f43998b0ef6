"""A run from its input to its output: the input is checked, its windows are scored into parts, the parts are joined.

An engine is a function of a Job that yields (index of a window, bytes of its part), in any order: score_windows of this
module, or that of on_ray.py.
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from tqdm import tqdm

from infer.classifier import Classifier
from infer.options import load
from infer.score.bad_rows import BadRows, name_of
from infer.score.files import codec_of, format_of
from infer.score.parts import claim, folder_of_parts, join, list_of_errors, locked, remove, save
from infer.score.reading import FLAG, Options, Position, Source, choose, open_source, options_of
from infer.score.rows import DELIMITERS
from infer.score.window import add_columns, score_window
from infer.score.writing import UNFIT, check_values, kind_of, to_schema
from infer.text.files import sha256_of
from infer.text.long import ADVICE_TOO, say
from infer.text.tokenizer import WINDOW

MAX_KEYS = 10_000  # of a .jsonl that becomes a table, where every row has every column


class Window(NamedTuple):
    """What a window is known by once the input is checked."""

    size: int  # how many good rows
    position: Position  # where it begins in the input


class Job(NamedTuple):
    """What an engine is given."""

    model: Path  # the classifier's IR
    classifier: Classifier  # the same, loaded in this process
    hint: str  # it was loaded with, for another process to do so
    paths: list[Path]  # of the input
    options: Options  # how it is read
    source: Source  # what is in it
    digests: dict[Path, str]  # SHA-256 of model and paths, as this process has read them
    windows: dict[int, Window]  # those to score, by their index
    schema: pa.Schema  # of the rows, without what is added to them
    added: list[str]  # the names of that
    suffix: str  # of the output's format, such as .csv


def say_interrupted(terminal=2):
    """Says on a file descriptor, from within a signal's handler, that Ctrl-C came and how to go on."""
    said = b"" if "LOCKED" in os.environ else b"interrupted: run it again to go on\n"  # GNUmakefile says it
    os.write(terminal, b"\n" * os.isatty(terminal) + said)  # after a progress bar


def check(paths, source, classifier, kinds, strict, suffix, listed):
    """Reads the input from end to end, reports its bad rows, and says how many of the others are longer than is read.

    Args:
      paths: list of Path.
      source: the Source of them.
      classifier: infer.Classifier.
      kinds: {column: set of the kinds of its values}, added to if it is JSON.
      strict: exit at the first bad row.
      suffix: of the format to write, which has to hold every value.
      listed: a file to list all bad rows in, as bytes.
    Returns: (list of Window, number of bad rows). Raises: SystemExit, also if all are bad; OSError.
    """
    found, bad, counted = [], BadRows(len(paths) > 1, not source.schema, strict, listed), Counter()
    with tqdm(desc="check", unit="row", unit_scale=True, leave=False, disable=None) as bar:  # None: terminals only
        for rows, texts, position in source.read(bad.report):
            found.append(Window(len(texts), position))
            counted += classifier.count(texts)
            bar.update(len(texts))
            for row in rows if source.is_json else ():
                for name, value in row.items():
                    kinds.setdefault(name, set()).add(kind_of(value))
            try:
                if isinstance(rows, pa.Table) and suffix not in (".parquet", ".txt"):
                    check_values(rows)
            except UNFIT as error:
                sys.exit(f"{paths[position.file]}: a value that {suffix} cannot hold: {error}: write a .parquet")
    bad.report_rest(name_of(paths))
    if bad.count and not found:
        sys.exit(f"{name_of(paths)}: none of its {bad.count} rows can be scored: nothing is written")
    say(name_of(paths), counted, classifier.max_seq_length - 2, classifier.long, ADVICE_TOO)
    return found, bad.count


def check_input(args, source, classifier, listed):
    """Checks the rows of args.input, and that the output can have columns for all that is in them.

    Args:
      args: score's.
      source: Source of the input.
      classifier, listed: check's.
    Returns: (list of Window, number of bad rows, pa.Schema of the rows). Raises: SystemExit, OSError.
    """
    name, suffix = name_of(args.input), format_of(args.output)
    kinds = {name: set() for name in source.columns}
    windows, bad = check(args.input, source, classifier, kinds, args.strict, suffix, listed)
    if source.is_json and (column := choose(name, list(kinds), args.text_column)) != source.text_column:
        sys.exit(f"{name}: some rows have {column!r} and some not: name the text with {FLAG}")
    if source.is_json and len(kinds) > MAX_KEYS and suffix in (*DELIMITERS, ".parquet"):
        sys.exit(f"{name}: {len(kinds)} different keys, too many for the columns of a table: write a .jsonl or .txt")
    return windows, bad, source.schema or to_schema(kinds)


def describe(args, classifier, source, digests):
    """Returns what the parts depend on, as claim takes it; `digests` is {path: SHA-256} of the model and the input."""
    return {
        "input": f"{' '.join(digests[path] for path in args.input)} {format_of(args.input[0])}",
        "model": f"{digests[classifier.path]} {sha256_of(classifier.path.with_suffix('.bin'))}",
        "text_column": source.text_column,
        "encoding": args.encoding or "utf-8",
        "dialect": f"{source.dialect} {'no ' * args.no_header}header" if source.dialect else "none",
        "device": args.device,
        "hint": args.hint,
        "precision": classifier.precision,
        "long": classifier.long,
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
    for i, (rows, texts, _) in enumerate(job.source.read(lambda *bad: None)):
        if i in job.windows:
            yield i, score_window(job.classifier, rows, texts, job.schema, job.added, job.suffix)


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
            if all(sha256_of(path) == job.digests[path] for path in job.paths):
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
    save(folder / "whole", lambda file: join(parts, format_of(output), codec_of(output), schema, file))
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
      args: of the command: input, list of Path, output, Path, model, device, hint, precision, tolerance, long, strict,
        and those of Options.
      engine: score_windows, or another such function.
    """
    paths, output = args.input, args.output
    suffix, folder = format_of(output), folder_of_parts(output)
    classifier = load(args, args.hint)
    model = classifier.path
    before = {path: path.stat() for path in paths}
    options = options_of(args)
    source = open_source(paths, options)
    if source.said:
        print(f"{name_of(paths)}: {'; '.join(source.said)}", file=sys.stderr)
    # Before anything is read from them that would have to be of the same files.
    sha256 = {path: sha256_of(path) for path in paths}
    # The list of bad rows has no name until it is whole, and so none to clear away. Unbuffered: closing it can't fail.
    with tempfile.TemporaryFile(buffering=0, dir=output.parent) as listed:
        windows, bad, schema = check_input(args, source, classifier, listed)
        digests = {model: sha256_of(model), **sha256}
        added = add_columns(classifier.labels, schema.names)
        with locked(folder):
            claim(folder, describe(args, classifier, source, digests))
            parts, missing = find_parts(folder, windows, suffix)
            job = Job(
                model, classifier, args.hint, paths, options, source, digests, missing, schema, list(added), suffix
            )
            save_parts(job, engine, parts, count_rows(windows))
            if changed := next((path for path in paths if has_changed(path, before[path], sha256[path])), None):
                remove(folder)
                sys.exit(f"{changed}: has changed while it was scored: run it again")
            whole = pa.schema([*schema, *map(pa.field, added, added.values())], schema.metadata)
            put_in_place(output, parts, whole, bad, listed)
    print(summary(output, count_rows(windows), bad))


def summary(output, rows, bad):
    """Returns the line that says how many rows are scored, how many bad, and where these are listed."""
    skipped = f"{bad} bad row{'' if bad == 1 else 's'} skipped"
    return f"{output}: scored {rows} rows, {skipped}{f', listed in {list_of_errors(output)}' if bad else ''}"
