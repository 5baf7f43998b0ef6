"""Files of reviews, a window of rows at a time: .csv, .tsv, .jsonl, .parquet and .txt, read and written.

A row that cannot be read is reported with its line and left out, and the next one is read: hence Python's csv and json,
where pyarrow's readers would give up a whole block. A window is a list of dicts, or of a .parquet a pa.Table, so that
its types stay what they are.
"""

import contextlib
import csv
import itertools
import json
import math
import sys
from collections import Counter
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infer.classifier import WINDOW

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
TEXT_COLUMN = "review"
MAX_LINE = MAX_FIELD = 2**25  # bytes, characters; what is longer is a bad row, so that no file fills the memory
MAX_WINDOW = 2**24  # bytes of input that are predicted together
MAX_READ_AGAIN = 2**27  # bytes of lines in all that follow a quote that is never closed
MAX_DEPTH = 100  # of lists and objects in JSON, within what Python reads and writes
SLICE = 64  # rows of a .parquet that are decoded at once: however small they are in it, they may be long
UNFIT = (pa.ArrowException, ValueError, OverflowError)  # of a value that another format cannot hold
LISTED = 20  # columns, in a message
MAX_KEYS = 10_000  # of a .jsonl that becomes a table, where every row has every column
START = (0, 0)  # the place where a file begins
BOM = b"\xef\xbb\xbf"
# The Arrow type of a JSON column by the kinds of its values; of any others, their JSON as text.
ARROW_TYPES = (
    ({"str"}, pa.string()),
    ({"bool"}, pa.bool_()),
    ({"int", "long"}, pa.int64()),
    ({"int", "float"}, pa.float64()),
)


def read_lines(file):
    """Yields (line number, bytes) of the lines of a binary file; None for one beyond MAX_LINE.

    From where it stands, which is line 1; at its beginning, less a byte order mark.
    """
    if file.tell() == 0:
        file.seek(len(BOM) if file.read(len(BOM)) == BOM else 0)
    for number in itertools.count(1):
        line = rest = file.readline(MAX_LINE)
        if not line:
            return
        while len(rest) == MAX_LINE and not rest.endswith(b"\n"):
            line, rest = None, file.readline(MAX_LINE)
        yield number, line


def decode(line):
    """Returns the text of a line of read_lines; raises ValueError with what is wrong with it."""
    if line is None:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error


def is_text(text):
    """Tells whether a str has no lone surrogates, of JSON's or for bytes that are not UTF-8."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def read_txt(file, column):
    """Yields (line number, {column: text} or what is wrong, bytes) of each line."""
    for number, line in read_lines(file):
        try:
            yield number, {column: decode(line).removesuffix("\n").removesuffix("\r")}, len(line)
        except ValueError as error:
            yield number, str(error), 0


def finite(number):
    if not math.isfinite(float(number)):
        raise ValueError(f"{number} is no number of JSON's, or too large")
    return float(number)


def unique(pairs):
    """Returns the dict of a JSON object's pairs; raises ValueError if a key comes twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key that comes twice")
    return row


def is_deep(value):
    """Tells whether lists and dicts are nested deeper than MAX_DEPTH in a value."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        level = [inner for inner in level if isinstance(inner, (dict, list))]
    return bool(level)


def read_jsonl(file):
    """Yields (line number, dict or what is wrong, bytes) of each line that is not blank."""
    for number, line in read_lines(file):
        try:
            text = decode(line)
            if not text.strip():
                continue
            row = json.loads(text, parse_float=finite, parse_constant=finite, object_pairs_hook=unique)
            if not isinstance(row, dict):
                raise ValueError("no JSON object")
            if text.count("[") + text.count("{") > MAX_DEPTH and is_deep(row):
                raise RecursionError
            if "\\u" in text and not is_text(json.dumps(row, ensure_ascii=False)):
                raise ValueError("not Unicode: half a surrogate pair")
            yield number, row, len(line)
        except json.JSONDecodeError as error:
            yield number, f"broken JSON: {error.msg} at column {error.colno}", 0
        except RecursionError:
            yield number, f"nested deeper than {MAX_DEPTH}", 0
        except ValueError as error:
            yield number, str(error), 0


def read_fields(file, delimiter):
    """Yields (number of its first line, list of fields or what is wrong, bytes) of each row of a CSV.

    After a row that is wrong it goes on with the next line, even if a quote was open: one that is never closed costs
    its own row, not all that follow; but for MAX_READ_AGAIN, so that a file of nothing else ends.
    """
    lines, held, ahead = read_lines(file), [], []  # held: the lines of this row; ahead: those to be read again

    def feed():
        number, line = ahead.pop() if ahead else next(lines, (0, b""))
        held.append((number, line))
        if line is None:
            raise csv.Error(f"longer than {MAX_LINE} bytes")
        return line.decode("utf-8", "surrogateescape")  # where the row ends is clear all the same

    csv.field_size_limit(MAX_FIELD)
    rows, read_again = None, 0
    while True:
        rows = rows or csv.reader(iter(feed, ""), delimiter=delimiter, strict=True)
        held.clear()
        try:
            fields = next(rows, None)
        except csv.Error as error:
            why = str(error).replace("unexpected end of data", "a quote that is never closed").split(" - ")[0]
            rest = [line for line in held[1:] if line[1] != b""]
            read_again += sum(len(line or b"") + 50 for _, line in rest)  # a line costs as much as so many bytes
            if read_again <= MAX_READ_AGAIN:
                ahead.extend(reversed(rest))
            elif rest:
                why = f"{why}, up to line {rest[-1][0]}"
            yield held[0][0], why, 0
            rows = None
            continue
        if fields is None:
            return
        if fields:  # a blank line is no row
            yield held[0][0], fields if is_text("".join(fields)) else "not UTF-8", sum(len(line) for _, line in held)


def read_csv(file, columns, delimiter):
    """Yields (line number, {column: text} or what is wrong, bytes) of each row below the header."""
    for number, fields, size in itertools.islice(read_fields(file, delimiter), 1, None):
        if isinstance(fields, list) and len(fields) != len(columns):
            fields = f"{len(fields)} fields, not {len(columns)}"
        yield number, fields if isinstance(fields, str) else dict(zip(columns, fields, strict=True)), size


def shown(name):
    """Returns a column's name, which a file may set to anything, in one line that tells a terminal nothing."""
    return name if name.isprintable() else ascii(name)


def group(rows, column, report, file):
    """Yields (rows, texts, place) of a window each; calls `report` with the line and what is wrong of each bad row.

    Its place is (byte, 0), where the rows that are read from `file` begin; of a CSV, whose reader may look ahead, it is
    of no use.
    """
    window, total, place = [], 0, (file.tell(), 0)
    for number, row, size in rows:
        if isinstance(row, str):
            report(number, row)
        elif not isinstance(row.get(column), str):
            what, there = shown(column), column in row
            report(number, f"{what} is {type(row[column]).__name__}, not text" if there else f"no {what}")
        else:
            window.append(row)
            total += size
        if len(window) == WINDOW or total >= MAX_WINDOW:
            yield window, [row[column] for row in window], place
            window, total, place = [], 0, (file.tell(), 0)
    if window:
        yield window, [row[column] for row in window], place


def grouped(path, read, column, report, place):
    """Yields group's windows of the rows that `read`, a function of the open file, yields from `place` on."""
    with open(path, "rb") as file:
        file.seek(place[0])
        yield from group(read(file), column, report, file)


@contextlib.contextmanager
def reading(path):
    """Exits with one line if pyarrow cannot read the .parquet."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last of a name
        sys.exit(f"{path}: not a whole .parquet file: {str(error).splitlines()[0]}")


def is_whole(table):
    """Tells whether the values of a pa.Table are what their types say, text UTF-8; reading alone does not look."""
    try:
        table.validate(full=True)
        return True
    except pa.ArrowInvalid:
        return False


def read_tables(file, place):
    """Yields the rows of a pq.ParquetFile as (pa.Table of up to WINDOW rows and some MAX_WINDOW bytes, its place).

    A place is (row group, row in it), which nothing before that row group has to be read for.
    """
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    widest = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    count = max(1, min(SLICE, MAX_WINDOW // max(widest, 1)))
    held, rows, size, begin = [], 0, 0, place
    for i in range(place[0], len(groups)):
        row = 0
        for batch in file.iter_batches(count, row_groups=[i]):
            here, row = (i, row), row + len(batch)
            if here < place:
                continue
            if held and (rows + len(batch) > WINDOW or size + batch.nbytes > MAX_WINDOW):
                yield pa.Table.from_batches(held), begin
                held, rows, size = [], 0, 0
            begin = begin if held else here
            held, rows, size = [*held, batch], rows + len(batch), size + batch.nbytes
    if held:
        yield pa.Table.from_batches(held), begin


def read_parquet(path, column, report, place):
    """Yields (pa.Table, texts, place) of a window each; calls `report` with the row and what is wrong of each bad one.

    From `place` on, read_tables', where row 1 is.
    """
    with reading(path), pq.ParquetFile(path, buffer_size=2**20) as file:
        first = 1
        for table, begin in read_tables(file, place):
            rows = range(len(table))
            whole = is_whole(table)
            broken = {i for i in rows if not (whole or is_whole(table[i : i + 1]))}
            texts = [None if i in broken else value.as_py() for i, value in enumerate(table.column(column))]
            for i in rows:
                if texts[i] is None:
                    report(first + i, "not UTF-8" if i in broken else f"{shown(column)} is null")
                elif len(texts[i]) > MAX_FIELD:
                    report(first + i, f"longer than {MAX_FIELD} characters")
                    texts[i] = None
            first += len(table)
            kept = [text for text in texts if text is not None]
            if len(kept) < len(texts):  # by slices: `filter` does not know every type
                table = pa.concat_tables([table[:0], *(table[i : i + 1] for i in rows if texts[i] is not None)])
            if kept:
                yield table, kept, begin


def choose(path, columns, asked):
    """Returns the text column: the one asked for, `review`, or the only one; exits if there is none such."""
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        sys.exit(f"{path}: two columns are named {twice[0]!r}: rename one")
    wanted = asked or (TEXT_COLUMN if len(columns) != 1 else columns[0])
    if wanted not in columns:
        there = ", ".join(map(shown, columns[:LISTED])) + ", …" * (len(columns) > LISTED)
        sys.exit(f"{path}: no column {wanted!r}: name the text with --text_column: there are {there}")
    return wanted


def open_source(path, asked):
    """Opens a file of reviews by its extension.

    Args:
      path: Path.
      asked: the text column's name, or None.
    Returns: (columns, text column, pa.Schema of a .parquet or None, read). Of a .jsonl, columns are those of the first
      rows; others may turn up. `read` is a function: report to an iterator of windows, (rows, texts, place) each, the
      same each time; read(report, place) begins with the one of that place, without those before it: of a .jsonl or
      .parquet only.
    Raises: SystemExit if it is not what its extension says, or has no such column; OSError if it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        with reading(path):
            schema = pq.read_schema(path)
        column = choose(path, schema.names, asked)
        kind = schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if kind not in (pa.string(), pa.large_string(), pa.string_view()):
            sys.exit(f"{path}: column {column!r} is {kind}, not text: name another with --text_column")
        return schema.names, column, schema, lambda report, place=START: read_parquet(path, column, report, place)

    def windows(rows):
        return lambda report, place=START: grouped(path, rows, column, report, place)

    if suffix == ".txt":
        column = asked or TEXT_COLUMN
        return [column], column, None, windows(lambda file: read_txt(file, column))
    if suffix == ".jsonl":
        with open(path, "rb") as file:
            rows = (row for _, row, _ in itertools.islice(read_jsonl(file), WINDOW) if isinstance(row, dict))
            columns = list(dict.fromkeys(name for row in rows for name in row))
        column = choose(path, columns, asked) if columns else asked or TEXT_COLUMN
        return columns or [column], column, None, windows(read_jsonl)
    delimiter = DELIMITERS[suffix]
    with open(path, "rb") as file:
        number, columns, _ = next(read_fields(file, delimiter), (1, "nothing in it", 0))
    if isinstance(columns, str):
        sys.exit(f"{path}: line {number}: {columns}: a {suffix} begins with a row of column names, in UTF-8")
    column = choose(path, columns, asked)
    if not asked and len(columns) == 1 and (marks := [mark for mark in ",;\t|" if mark in column]):
        sys.exit(
            f"{path}: one column, {column!r}: are there {marks[0]!r} for {delimiter!r}? "
            "Mend that, or name the column with --text_column"
        )
    return columns, column, None, windows(lambda file: read_csv(file, columns, delimiter))


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
    """Returns the bytes of a window in a format of text, .csv and .tsv without their header.

    Args:
      window: list of dicts, or pa.Table.
      added: {column: list of str for the label, float32 array (rows,) for a probability}, the label first.
      schema: pa.Schema of the window, without what is added.
      suffix: of SUFFIXES.
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
        lines.append(to_json(row | dict(zip(added, [label, *map(float, probabilities)], strict=True))) + "\n")
    return "".join(lines).encode()


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
