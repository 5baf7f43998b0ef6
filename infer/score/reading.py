"""Files of reviews, a window of rows at a time, whatever their format.

A window is a list of dicts, or of a .parquet a pa.Table, so that its types stay what they are. It begins at a Position,
from which plain .jsonl and .parquet are read again without what comes before: so may another machine.
"""

import codecs
import itertools
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from infer.score.dialect import MARKS, NAMES, describe, is_row, look_into, marks_in, recognise
from infer.score.files import codec_of, format_of, guess_encoding, open_text, refusing_broken
from infer.score.rows import (
    BLANKS,
    DELIMITERS,
    MAX_FIELD,
    NOT_UTF_8,
    QUOTES,
    Broken,
    Dialect,
    read_array,
    read_csv,
    read_jsonl,
    read_txt,
)
from infer.text.tokenizer import WINDOW

TEXT_COLUMNS = ("review", "text", "sentence")  # the first that is there, however it is capitalised
NO_HEADER = "--no_header (make: NO_HEADER=1)"
FLAG = "--text_column (make: TEXT_COLUMN=)"  # names another, for a message
MAX_WINDOW = 2**24  # bytes of input that are predicted together
SLICE = 64  # rows of a .parquet that are decoded at once: however small they are in it, they may be long
LISTED = 20  # columns, in a message


class Options(NamedTuple):
    """How to read the input, as far as that is given: the command's options of these names."""

    text_column: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quotes: str | None = None
    no_header: bool = False


def options_of(args):
    """Returns the Options among those of the command."""
    return Options(*(getattr(args, name) for name in Options._fields))


def add_dialect(parser):
    """Adds to an ArgumentParser the options of how a file is read."""
    parser.add_argument(
        "--text_column", help="the column of the texts (default: review, text or sentence, else the only one)"
    )
    parser.add_argument("--encoding", metavar="NAME", default="utf-8", help="such as cp1252 or utf-16 (default: utf-8)")
    parser.add_argument("--delimiter", choices=MARKS, help=".csv, .tsv: between fields (default: recognised)")
    parser.add_argument(
        "--quotes",
        choices=QUOTES,
        help='.csv, .tsv: a quote in a field is "" or \\", or all are text (default: recognised)',
    )
    parser.add_argument("--no_header", action="store_true", help=".csv, .tsv: the first line is a row")


def find_encoding(name):
    """Returns a --encoding as Python calls it, None for UTF-8; exits if there is none such."""
    try:
        "".encode(name)
    except LookupError:
        sys.exit(f"--encoding {name}: no such encoding: name one that Python knows, such as cp1252 or utf-16")
    found = codecs.lookup(name).name
    return None if found == "utf-8" else found


class Position(NamedTuple):
    """Where a window begins; later ones compare as greater."""

    file: int  # of several, from 0
    offset: int  # of a .jsonl in bytes, of a .parquet the row group
    row: int  # in the row group; of a .jsonl 0


BEGINNING = Position(0, 0, 0)


class Source(NamedTuple):
    """A file of reviews, or several as one table, that open_source has looked into."""

    columns: list[str]  # of JSON those of the first rows; others may turn up
    text_column: str
    # read(report) yields the windows, each (rows, texts, Position), the same each time, and calls report(path, "line 3"
    # or the like, what is wrong with it) for each bad row. read(report, start) begins with the window at a Position; if
    # not seekable, that is the beginning.
    read: Callable
    schema: pa.Schema | None = None  # of a .parquet
    dialect: Dialect | None = None  # of a .csv or .tsv
    is_json: bool = False
    seekable: bool = False
    said: tuple = ()  # what is worth to be told about how it is read


def shown(name):
    """Returns a column's name, which a file may set to anything, in one line that tells a terminal nothing."""
    return name if name.isprintable() else ascii(name)


def read_windows(path, encoding, read_rows, column, unit, report, start=BEGINNING):
    """Collects the rows of a file of text that have a text into windows.

    Args:
      path: Path.
      encoding: open_text's.
      read_rows: function of the open file to an iterator of (number, dict or what is wrong, bytes), as in
        infer.score.rows.
      column: the text column's name.
      unit: what read_rows numbers, "line" or "row".
      report: function that is called with the path, the unit with its number, and what is wrong of each bad row.
      start: Position to begin at. Of a CSV, whose reader may look ahead, and of what is packed or recoded, the
        positions are of no use.
    Yields: (rows, texts, Position) of each window. Raises: SystemExit if it cannot be read to its end.
    """
    with open_text(path, encoding, start.offset) as file:
        tell = (lambda: 0) if encoding or codec_of(path) else file.tell
        window, total, begin = [], 0, start
        try:
            for number, row, size in read_rows(file):
                if problem := row if isinstance(row, str) else problem_with(row, column):
                    report(path, f"{unit} {number}", problem)
                else:
                    window.append(row)
                    total += size
                if len(window) == WINDOW or total >= MAX_WINDOW:
                    yield window, [row[column] for row in window], begin
                    window, total, begin = [], 0, Position(start.file, tell(), 0)
        except Broken as error:
            sys.exit(f"{path}: {error}: a JSON array cannot be read on after that: mend it")
        if window:
            yield window, [row[column] for row in window], begin


def problem_with(row, column):
    """Returns what is wrong with the text of a row, a dict, or None."""
    if isinstance(row.get(column), str):
        return None
    return f"{shown(column)} is {type(row[column]).__name__}, not text" if column in row else f"no {shown(column)}"


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
            here, row = Position(start.file, i, row), row + len(batch)
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
      report: function of "row 3" or the like and what is wrong with it.
      first: int, the number of the table's first row.
    """
    rows, whole = range(len(table)), is_whole(table)
    broken = {i for i in rows if not (whole or is_whole(table[i : i + 1]))}
    texts = [None if i in broken else value.as_py() for i, value in enumerate(table.column(column))]
    for i in rows:
        if texts[i] is None:
            report(f"row {first + i}", "not UTF-8" if i in broken else f"{shown(column)} is null")
        elif len(texts[i]) > MAX_FIELD:
            report(f"row {first + i}", f"longer than {MAX_FIELD} characters")
            texts[i] = None
    return texts


def read_parquet(path, column, report, start=BEGINNING):
    """Yields (pa.Table, texts, Position) of each window from `start` on, where row 1 is.

    Calls `report` as read_windows does.
    """
    with refusing_broken(path), pq.ParquetFile(path, buffer_size=2**20) as file:
        first = 1
        for table, begin in read_tables(file, start):
            texts = read_texts(table, column, partial(report, path), first)
            first += len(table)
            good = [i for i, text in enumerate(texts) if text is not None]
            if len(good) < len(texts):  # by slices: `filter` does not know every type
                table = pa.concat_tables([table[:0], *(table[i : i + 1] for i in good)])
            if good:
                yield table, [texts[i] for i in good], begin


def choose(path, columns, asked, hint="", doubt=""):
    """Returns the text column: the one asked for, one of TEXT_COLUMNS, or the only one; exits if there is none such."""
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        sys.exit(f"{path}: {hint}two columns are named {twice[0]!r}: rename one")
    known = [name for name in (known_among(columns) if asked is None else [asked]) if name in columns]
    found = known or (columns if asked is None and len(columns) == 1 and not hint else [])
    if not found:
        there = ", ".join(map(shown, columns[:LISTED])) + ", …" * (len(columns) > LISTED)
        wanted = repr(asked or TEXT_COLUMNS[0])
        sys.exit(f"{path}: {hint}no column {wanted}: name the text with {FLAG}: there are {there}{doubt}")
    return found[0]


def known_among(columns):
    """Returns the columns that are called as one of TEXT_COLUMNS, in the order of these; the same letters first."""
    found = [name for name in columns if name.strip().lower() in TEXT_COLUMNS]
    return sorted(found, key=lambda name: (TEXT_COLUMNS.index(name.strip().lower()), name not in TEXT_COLUMNS))


def open_source(paths, options):
    """Opens files of reviews, of one format by their extension, as one table.

    Args:
      paths: list of Path, as find_files returns it.
      options: Options.
    Returns: Source.
    Raises: SystemExit if one is not what its extension says, or has no such column, or other columns than the first;
      OSError if it cannot be read.
    """
    first = open_file(paths[0], options)
    if first.dialect:
        options = options._replace(delimiter=first.dialect.delimiter, quotes=first.dialect.quotes)
    options = options._replace(text_column=first.text_column)
    sources = [first, *(open_file(path, options) for path in paths[1:])]
    for path, source in zip(paths, sources, strict=True):
        if first.schema and not source.schema.equals(first.schema) or first.dialect and source.columns != first.columns:
            sys.exit(f"{path}: its columns are others than those of {paths[0]}: score them one by one")

    def read(report, start=BEGINNING):
        for i in range(start.file, len(sources)):
            yield from sources[i].read(report, start if i == start.file else BEGINNING._replace(file=i))

    columns = list(dict.fromkeys(name for source in sources for name in source.columns))
    seekable = all(source.seekable for source in sources)
    return first._replace(columns=columns, read=read, seekable=seekable)


def open_file(path, options):
    """Returns the Source of one file. Arguments and errors: open_source's."""
    suffix = format_of(path)
    if suffix == ".parquet":
        return open_parquet(path, options)
    if suffix in DELIMITERS:
        return open_csv(path, suffix, options)
    if suffix in (".jsonl", ".json"):
        return open_json(path, options)
    column = options.text_column or TEXT_COLUMNS[0]
    read = partial(read_windows, path, options.encoding, partial(read_txt, column=column), column, "line")
    return Source([column], column, read)


def say_column(column, options, more=""):
    """Returns what is to be said about the text column, in a tuple, unless it is the usual one or was asked for."""
    usual = options.text_column or column == TEXT_COLUMNS[0]
    return () if usual else (f"the text is in column {column!r}{'' if known_among([column]) else more}",)


def open_parquet(path, options):
    """Returns the Source of a .parquet. Arguments and errors: open_source's."""
    with refusing_broken(path):
        schema = pq.read_schema(path)
    column = choose(path, schema.names, options.text_column)
    kind = schema.field(column).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if kind not in (pa.string(), pa.large_string(), pa.string_view()):
        sys.exit(f"{path}: column {column!r} is {kind}, not text: name another with {FLAG}")
    read, said = partial(read_parquet, path, column), say_column(column, options)
    return Source(schema.names, column, read, schema, seekable=True, said=said)


def open_json(path, options):
    """Returns the Source of a .jsonl or .json, lines or an array. Arguments and errors: open_source's."""
    with open_text(path, options.encoding) as file:
        begin = next((block for block in iter(lambda: file.read(4096), b"") if block.strip(BLANKS.encode())), b"")
    is_array = begin.lstrip(BLANKS.encode())[:1] == b"["
    read_rows = read_array if is_array else read_jsonl
    try:
        with open_text(path, options.encoding) as file:
            rows = (row for _, row, _ in itertools.islice(read_rows(file), WINDOW) if isinstance(row, dict))
            columns = list(dict.fromkeys(name for row in rows for name in row))
    except Broken as error:
        sys.exit(f"{path}: {error}: a JSON array cannot be read on after that: mend it")
    column = choose(path, columns, options.text_column) if columns else options.text_column or TEXT_COLUMNS[0]
    read = partial(read_windows, path, options.encoding, read_rows, column, "row" if is_array else "line")
    seekable = not (is_array or options.encoding or codec_of(path))
    said = say_column(column, options)
    return Source(columns or [column], column, read, is_json=True, seekable=seekable, said=said)


def open_csv(path, suffix, options):
    """Returns the Source of a .csv or .tsv. Arguments and errors: open_source's."""
    dialect = recognise(path, suffix, options.encoding, options.delimiter, options.quotes)
    columns, number, _ = look_into(path, options.encoding, dialect)
    if isinstance(columns, str):
        guess = guess_encoding(path) if columns == NOT_UTF_8 else ""
        sys.exit(
            f"{path}: line {number}: {columns}{guess or f': a {suffix} begins with a row of column names, in UTF-8'}"
        )
    hint, doubt = "", "" if options.no_header else f"; if line 1 is a row, add {NO_HEADER}"
    if options.no_header:
        columns = [f"column_{i}" for i, _ in enumerate(columns, 1)]
    elif not options.text_column and not known_among(columns) and is_row(columns):
        hint, doubt = f"line 1 looks like a row: {NO_HEADER} if it is; if not, ", ""
    column = choose(path, columns, options.text_column, hint, doubt)
    if not options.text_column and len(columns) == 1 and (marks := marks_in(column)):
        sys.exit(
            f"{path}: one column, {column!r}: are there {marks[0]!r} for {dialect.delimiter!r}? "
            f"Mend that, or say --delimiter {NAMES[marks[0]]}, or name the column with {FLAG}"
        )
    read_rows = partial(read_csv, columns=columns, dialect=dialect, header=not options.no_header)
    read = partial(read_windows, path, options.encoding, read_rows, column, "line")
    said = describe(dialect, Dialect(options.delimiter or DELIMITERS[suffix], options.quotes or "doubled"))
    said += say_column(column, options, "" if options.no_header else ", by line 1 (--no_header if that is a row)")
    return Source(columns, column, read, dialect=dialect, said=said)
