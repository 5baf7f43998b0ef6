"""Files of texts with labels: what `make evaluate` measures on, and own data to train on.

The files are read as those to score, by the same reader; the label's column is one more.
"""

import json
import math
import os
import re
import sys
from collections import Counter

import pyarrow as pa

from infer.score.bad_rows import BadRows, name_of
from infer.score.files import format_of
from infer.score.reading import LISTED, open_source, shown
from infer.text.labels import is_printable

LABEL_COLUMNS = ("label", "labels", "sentiment", "class", "category")  # the first that is there, in any case
FLAG = "--label_column (make: LABEL_COLUMN=)"
FRACTION = re.compile(r"[+-]?[0-9]*\.[0-9]*[1-9][0-9]*(e[+-]?[0-9]+)?", re.IGNORECASE)
# What a .parquet may hold labels as.
LABEL_TYPES = ("string", "large_string", "string_view", "integer", "boolean", "floating", "null")
POLARITIES = {"neg": "Negative", "pos": "Positive"}  # what IMDB calls the guide's labels


def choose_label(name, columns, text_column, asked):
    """Returns the label's column: the one asked for, one of LABEL_COLUMNS, or the only one beside the text.

    Raises: SystemExit if there is none such.
    """
    others = [column for column in columns if column != text_column]
    if asked is not None:
        found = [column for column in others if column == asked]
    else:
        known = [column for column in others if column.strip().lower() in LABEL_COLUMNS]
        known.sort(key=lambda column: LABEL_COLUMNS.index(column.strip().lower()))
        found = known or (others if len(others) == 1 else [])
    if not found:
        there = ", ".join(map(shown, others[:LISTED])) + ", …" * (len(others) > LISTED)
        what = f"beside the text there are {there}" if others else "there is nothing beside the text"
        sys.exit(f"{name}: no column {asked or LABEL_COLUMNS[0]!r}: name the label with {FLAG}: {what}")
    return found[0]


def class_names(schema, column):
    """Returns the labels' names, by their ids, that Hugging Face's datasets keeps in a .parquet's schema, or None."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        names = features[column]["names"]
        return [POLARITIES[name] for name in names] if set(names) == set(POLARITIES) else list(map(str, names))
    except (AttributeError, TypeError, KeyError, ValueError, RecursionError):
        return None


def to_label(value, names):
    """Returns the label of a column's value, str; raises ValueError that says what is wrong with it.

    Args:
      value: what the file has there.
      names: those of class_names.
    """
    if isinstance(value, bool):
        return str(value)  # as pandas writes it into a .csv
    if isinstance(value, float) and value.is_integer():  # so pandas writes whole numbers where one is missing
        value = int(value)
    if names and isinstance(value, int):
        if value in range(len(names)):
            return names[value]
        raise ValueError("no label" if value == -1 else f"{value} is the id of no label")  # -1: none, in datasets
    if value is None or isinstance(value, float) and math.isnan(value):
        raise ValueError("no label")
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"its label is {type(value).__name__}, not text or a whole number")
    label = str(value).strip()
    if not label or not is_printable(label):
        raise ValueError("its label is not printable" if label else "no label")
    return label


def open_labelled(paths, options, label_column, accept=str):
    """Opens files of texts with labels.

    Args:
      paths: list of Path, as find_files returns it.
      options: infer.score.reading.Options.
      label_column: of the label, or None to find it.
      accept: function of a label, str, to what is to be had for it; it raises ValueError about one that is none.
    Returns: (function of `report`, as Source.read takes it, that yields (list of str, list of what `accept` returned)
      of each window; list of what is to be said about how the file is read).
    Raises: SystemExit, as open_source does, or if there is no such column.
    """
    name = name_of(paths)
    if format_of(paths[0]) == ".txt":
        sys.exit(f"{name}: a .txt has no labels: give a .csv, .tsv, .jsonl or .parquet with a column of them")
    source = open_source(paths, options)
    column = choose_label(name, source.columns, source.text_column, label_column)
    if source.schema:
        kind = source.schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not any(getattr(pa.types, f"is_{name}")(kind) for name in LABEL_TYPES):
            sys.exit(f"{name}: column {column!r} is {kind}, not labels: name another with {FLAG}")
    names = source.schema and class_names(source.schema, column)
    said = [*(said for said in source.said if not said.startswith("the text is in"))]
    said.append(f"the text is in column {source.text_column!r}, the label in {column!r}")

    def read(report):
        number = Counter()
        for rows, texts, position in source.read(report):
            table = isinstance(rows, pa.Table)
            values = rows.column(column).to_pylist() if table else [row.get(column) for row in rows]
            kept = []
            for text, value in zip(texts, values, strict=True):
                number[position.file] += 1
                try:
                    kept.append((text, accept(to_label(value, names))))
                except ValueError as error:
                    report(paths[position.file], f"text {number[position.file]}, {text[:30]!r}", str(error))
            if kept:
                yield tuple(map(list, zip(*kept, strict=True)))

    return read, said


def find_measurement(labels):
    """Returns one of the labels that is a number but not whole, such as 3.7, if most are such, or None."""
    found = [label for label in labels if FRACTION.fullmatch(label)]
    return found[0] if 2 * len(found) > len(labels) else None


def read_labelled(paths, options, label_column, accept=str):
    """Returns [(text, what `accept` returned for its label)] of files of texts with labels; says how they are read.

    Args:
      paths, options, label_column, accept: as in open_labelled.
    Raises: SystemExit, as open_labelled and exit_if_too_bad do.
    """
    name = name_of(paths)
    read, said = open_labelled(paths, options, label_column, accept)
    print(f"{name}: {'; '.join(said)}")
    with open(os.devnull, "wb", buffering=0) as nowhere:
        bad = BadRows(len(paths) > 1, True, False, nowhere)
        rows = [pair for window in read(bad.report) for pair in zip(*window, strict=True)]
        bad.report_rest(name)
    exit_if_too_bad(name, bad.count, len(rows))
    return rows


def exit_if_too_bad(name, bad, good):
    """Ends with one line if more than a tenth of the rows are bad."""
    if bad > (bad + good) / 10:
        sys.exit(f"{name}: {bad} of {bad + good} rows are bad, more than a tenth: mend them, or give another file")
