"""Files of reviews, a window of rows at a time, whatever their format.

A window is a list of dicts, or of a .parquet a pa.Table, so that its types stay what they are. It begins at a Position,
from which a .jsonl or .parquet is read again without what comes before: so may another machine.
"""

import contextlib
import itertools
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from infer.score.rows import DELIMITERS, MAX_FIELD, read_csv, read_fields, read_jsonl, read_txt
from infer.text.tokenizer import WINDOW

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".txt")
TEXT_COLUMN = "review"
FLAG = "--text_column (make: TEXT_COLUMN=)"  # names another, for a message
MAX_WINDOW = 2**24  # bytes of input that are predicted together
SLICE = 64  # rows of a .parquet that are decoded at once: however small they are in it, they may be long
LISTED = 20  # columns, in a message


class Position(NamedTuple):
    """Where a window begins in its file; later ones compare as greater."""

    offset: int  # of a .jsonl in bytes, of a .parquet the row group
    row: int  # in the row group; of a .jsonl 0


BEGINNING = Position(0, 0)


class Source(NamedTuple):
    """A file of reviews that open_source has looked into."""

    columns: list[str]  # of a .jsonl those of the first rows; others may turn up
    text_column: str
    schema: pa.Schema | None  # of a .parquet
    # read(report) yields the windows, each (rows, texts, Position), the same each time, and calls report(number of the
    # line or row, what is wrong with it) for each bad row. read(report, start) begins with the window at a Position,
    # without those before it: of a .jsonl or .parquet only.
    read: Callable


def shown(name):
    """Returns a column's name, which a file may set to anything, in one line that tells a terminal nothing."""
    return name if name.isprintable() else ascii(name)


def to_windows(rows, column, report, file):
    """Collects rows that have a text into windows.

    Args:
      rows: iterator over `file` of (line, dict or what is wrong, bytes), as of infer.score.rows.
      column: the text column's name.
      report: function that is called with the line and what is wrong of each bad row.
      file: binary; of a CSV, whose reader may look ahead, the positions in it are of no use.
    Yields: (rows, texts, Position) of each window.
    """
    window, total, begin = [], 0, Position(file.tell(), 0)
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
            yield window, [row[column] for row in window], begin
            window, total, begin = [], 0, Position(file.tell(), 0)
    if window:
        yield window, [row[column] for row in window], begin


def read_windows(path, read_rows, column, report, start=BEGINNING):
    """Yields to_windows' windows of the rows that `read_rows`, a function of the open file, yields from `start` on."""
    with open(path, "rb") as file:
        file.seek(start.offset)
        yield from to_windows(read_rows(file), column, report, file)


@contextlib.contextmanager
def refusing_broken(path):
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


def read_tables(file, start):
    """Yields the rows of a pq.ParquetFile as (pa.Table of up to WINDOW rows and some MAX_WINDOW bytes, its Position).

    From `start` on; no row group before that one is read.
    """
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    widest = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    count = max(1, min(SLICE, MAX_WINDOW // max(widest, 1)))
    held, rows, size, begin = [], 0, 0, start
    for i in range(start.offset, len(groups)):
        row = 0
        for batch in file.iter_batches(count, row_groups=[i]):
            here, row = Position(i, row), row + len(batch)
            if here < start:
                continue
            if held and (rows + len(batch) > WINDOW or size + batch.nbytes > MAX_WINDOW):
                yield pa.Table.from_batches(held), begin
                held, rows, size = [], 0, 0
            begin = begin if held else here
            held, rows, size = [*held, batch], rows + len(batch), size + batch.nbytes
    if held:
        yield pa.Table.from_batches(held), begin


def read_texts(table, column, report, first):
    """Returns the list of a pa.Table's texts, None for each that is bad, of which `report` is told.

    Args:
      table: pa.Table of the window's rows.
      column: the text column's name.
      report: function of a row's number and what is wrong with it.
      first: int, the number of the table's first row.
    """
    rows, whole = range(len(table)), is_whole(table)
    broken = {i for i in rows if not (whole or is_whole(table[i : i + 1]))}
    texts = [None if i in broken else value.as_py() for i, value in enumerate(table.column(column))]
    for i in rows:
        if texts[i] is None:
            report(first + i, "not UTF-8" if i in broken else f"{shown(column)} is null")
        elif len(texts[i]) > MAX_FIELD:
            report(first + i, f"longer than {MAX_FIELD} characters")
            texts[i] = None
    return texts


def read_parquet(path, column, report, start=BEGINNING):
    """Yields (pa.Table, texts, Position) of each window from `start` on, where row 1 is.

    Calls `report` with the row and what is wrong of each bad one.
    """
    with refusing_broken(path), pq.ParquetFile(path, buffer_size=2**20) as file:
        first = 1
        for table, begin in read_tables(file, start):
            texts = read_texts(table, column, report, first)
            first += len(table)
            good = [i for i, text in enumerate(texts) if text is not None]
            if len(good) < len(texts):  # by slices: `filter` does not know every type
                table = pa.concat_tables([table[:0], *(table[i : i + 1] for i in good)])
            if good:
                yield table, [texts[i] for i in good], begin


def choose(path, columns, asked):
    """Returns the text column: the one asked for, `review`, or the only one; exits if there is none such."""
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        sys.exit(f"{path}: two columns are named {twice[0]!r}: rename one")
    wanted = asked or (TEXT_COLUMN if len(columns) != 1 else columns[0])
    if wanted not in columns:
        there = ", ".join(map(shown, columns[:LISTED])) + ", …" * (len(columns) > LISTED)
        sys.exit(f"{path}: no column {wanted!r}: name the text with {FLAG}: there are {there}")
    return wanted


def open_source(path, asked):
    """Opens a file of reviews by its extension.

    Args:
      path: Path, its extension one of SUFFIXES.
      asked: the text column's name, or None.
    Returns: Source.
    Raises: SystemExit if it is not what its extension says, or has no such column; OSError if it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return open_parquet(path, asked)
    if suffix == ".txt":
        columns = [column := asked or TEXT_COLUMN]
        read_rows = partial(read_txt, column=column)
    elif suffix == ".jsonl":
        columns, column = look_into_jsonl(path, asked)
        read_rows = read_jsonl
    else:
        columns, column = look_into_csv(path, asked)
        read_rows = partial(read_csv, columns=columns, delimiter=DELIMITERS[suffix])
    return Source(columns, column, None, partial(read_windows, path, read_rows, column))


def open_parquet(path, asked):
    """Returns the Source of a .parquet. Arguments and errors: open_source's."""
    with refusing_broken(path):
        schema = pq.read_schema(path)
    column = choose(path, schema.names, asked)
    kind = schema.field(column).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if kind not in (pa.string(), pa.large_string(), pa.string_view()):
        sys.exit(f"{path}: column {column!r} is {kind}, not text: name another with {FLAG}")
    return Source(schema.names, column, schema, partial(read_parquet, path, column))


def look_into_jsonl(path, asked):
    """Returns (columns, text column) of the first rows of a .jsonl. Arguments and errors: open_source's."""
    with open(path, "rb") as file:
        rows = (row for _, row, _ in itertools.islice(read_jsonl(file), WINDOW) if isinstance(row, dict))
        columns = list(dict.fromkeys(name for row in rows for name in row))
    column = choose(path, columns, asked) if columns else asked or TEXT_COLUMN
    return columns or [column], column


def look_into_csv(path, asked):
    """Returns (columns, text column) of a .csv's or .tsv's header. Arguments and errors: open_source's."""
    suffix = path.suffix.lower()
    delimiter = DELIMITERS[suffix]
    with open(path, "rb") as file:
        number, columns, _ = next(read_fields(file, delimiter), (1, "nothing in it", 0))
    if isinstance(columns, str):
        sys.exit(f"{path}: line {number}: {columns}: a {suffix} begins with a row of column names, in UTF-8")
    column = choose(path, columns, asked)
    if not asked and len(columns) == 1 and (marks := [mark for mark in ",;\t|" if mark in column]):
        sys.exit(
            f"{path}: one column, {column!r}: are there {marks[0]!r} for {delimiter!r}? "
            f"Mend that, or name the column with {FLAG}"
        )
    return columns, column
