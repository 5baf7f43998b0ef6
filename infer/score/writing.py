"""Scored rows as bytes: a window and what is added to it as .csv, .tsv, .jsonl, .json, .parquet or .txt."""

import csv
import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infer.score.rows import DELIMITERS

UNFIT = (pa.ArrowException, ValueError, OverflowError)  # of a value that another format cannot hold
# The Arrow type of a JSON column by the kinds of its values; of any others, their JSON as text.
ARROW_TYPES = (
    ({"str"}, pa.string()),
    ({"bool"}, pa.bool_()),
    ({"int", "long"}, pa.int64()),
    ({"int", "float"}, pa.float64()),
)


def kind_of(value):
    """Returns the kind of a JSON value, as ARROW_TYPES has them: "long" is an int that a float would not hold."""
    name = type(value).__name__
    return name if name != "int" or abs(value) <= 2**53 else "long" if -(2**63) <= value < 2**63 else "big"


def to_schema(kinds):
    """Returns the pa.Schema of {column: set of the kinds of its values}."""
    return pa.schema(
        {
            name: next((kind for held, kind in ARROW_TYPES if found - {"NoneType"} <= held), pa.string())
            for name, found in kinds.items()
        }
    )


def to_json(value):
    """Returns a value as JSON, dates and the like in it as text; raises ValueError if it has none."""

    def as_str(inner):
        if isinstance(inner, bytes):
            raise ValueError("bytes in a list or struct")
        return str(inner)

    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=as_str)


def as_text(value):
    """Returns a value as text: what is no text as JSON, None as nothing."""
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value)


def to_rows(table):
    """Returns a pa.Table as a list of dicts of what JSON has: NaN is None, dates and the like are Arrow's text."""
    for i, field in enumerate(table.schema):
        column, kind = table.column(i), field.type
        if pa.types.is_floating(kind):
            column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
        elif not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_nested(kind)):
            column = column.cast(pa.string())
            if pc.any(pc.starts_with(column, "<value out of range")).as_py():
                raise ValueError(f"{field.name} is a {kind} out of range")
        table = table.set_column(i, field.name, column)
    return table.to_pylist()


def check_values(table):
    """Raises one of UNFIT if a value of a pa.Table has no text."""
    kinds = pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string
    names = [field.name for field in table.schema if not any(is_kind(field.type) for is_kind in kinds)]
    for row in to_rows(table.select(names)):
        for value in row.values():
            as_text(value)


def to_csv(rows, suffix):
    """Returns the bytes of rows of str, their lines ended by \\n."""
    lines = []
    # The writer's own line end, \r\n, is what makes it quote both in a field.
    csv.writer(SimpleNamespace(write=lines.append), delimiter=DELIMITERS[suffix]).writerows(rows)
    return "".join(line[:-2] + "\n" for line in lines).encode()


def to_text(window, added, schema, suffix):
    """Returns the bytes of a window in a format of text, .csv and .tsv without their header, .json without brackets.

    Args:
      window: list of dicts, or pa.Table.
      added: {column: list of str for the label, float32 array (rows,) for a probability}, the label first.
      schema: pa.Schema of the window, without what is added.
      suffix: of the format, such as .csv.
    Raises: one of UNFIT if a .parquet's value has no text.
    """
    # str of a float32 is the shortest decimal that reads back as the same.
    answers = zip(*([str(value) for value in values] for values in added.values()), strict=True)
    if suffix == ".txt":
        return "".join("\t".join(answer) + "\n" for answer in answers).encode()
    rows = window if isinstance(window, list) else to_rows(window)
    if suffix in DELIMITERS:
        fields = ([as_text(row.get(name)) for name in schema.names] for row in rows)
        return to_csv(([*kept, *answer] for kept, answer in zip(fields, answers, strict=True)), suffix)
    lines = []
    for row, (label, *probabilities) in zip(rows, answers, strict=True):
        lines.append(to_json(row | dict(zip(added, [label, *map(float, probabilities)], strict=True))))
    return (",\n".join(lines) if suffix == ".json" else "".join(f"{line}\n" for line in lines)).encode()


def to_parquet(window, added, schema, suffix):
    """Returns the bytes of a window as .parquet. Arguments and errors: to_text's."""
    if isinstance(window, list):
        texts = [name for name in schema.names if schema.field(name).type == pa.string()]
        rows = [row | {name: as_text(row[name]) for name in texts if row.get(name) is not None} for row in window]
        window = pa.Table.from_pylist(rows, schema)
    for name, values in added.items():
        window = window.append_column(name, pa.array(values))
    sink = pa.BufferOutputStream()
    pq.write_table(window, sink)
    return sink.getvalue()
