"""The rows of a .csv, .tsv, .jsonl, .json or .txt, one after the other, whatever is in it.

A row that cannot be read is yielded as what is wrong with it, and the next one is read: hence Python's csv and json,
where pyarrow's readers would give up a whole block.
"""

import csv
import io
import itertools
import json
import math
import re
from typing import NamedTuple

DELIMITERS = {".csv": ",", ".tsv": "\t"}
# What a quote is written as within a quoted field, and csv.reader's arguments for it; "none": quotes are text.
QUOTES = {"doubled": {}, "backslash": {"escapechar": "\\"}, "none": {"quoting": csv.QUOTE_NONE}}
MAX_LINE = MAX_FIELD = 2**25  # bytes, characters; what is longer is a bad row, so that no file fills the memory
MAX_READ_AGAIN = 2**27  # bytes of lines in all that follow a quote that is never closed
MAX_DEPTH = 100  # of lists and objects in JSON, within what Python reads and writes
TOO_DEEP = f"nested deeper than {MAX_DEPTH}"
BLANKS = " \t\r\n"  # in JSON
BLOCK = 2**16  # characters of a JSON array that are read at once
# What is before the first value of an array, and before the next; after none of them, and after the last.
BEFORE_VALUE = re.compile(r"[ \t\r\n]*\[[ \t\r\n]*"), re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
AFTER_VALUES = re.compile(r"[ \t\r\n]*\[[ \t\r\n]*\][ \t\r\n]*"), re.compile(r"[ \t\r\n]*\][ \t\r\n]*")
NOT_UTF_8 = "not UTF-8"
BACKSLASH = re.compile(r'\\(["\\])?')


class Broken(ValueError):
    """What is wrong with a file that cannot be read on."""


class Dialect(NamedTuple):
    """How the fields of a .csv or .tsv are told apart."""

    delimiter: str
    quotes: str = "doubled"  # one of QUOTES
    blanks: bool = False  # whether those after a delimiter are left out


def read_lines(file):
    """Yields (line number, bytes) of the lines of a binary file, from where it stands; None for one beyond MAX_LINE."""
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
        raise ValueError(NOT_UTF_8) from error


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


def is_deep(value):
    """Tells whether lists and dicts are nested deeper than MAX_DEPTH in a value."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        level = [inner for inner in level if isinstance(inner, (dict, list))]
    return bool(level)


def json_reader():
    """Returns a function of text and where in it JSON begins that returns (dict or what is wrong with it, its end).

    That raises json.JSONDecodeError if it has no end, RecursionError, or ValueError for an int of thousands of digits.
    """
    wrong = []  # what the hooks find

    def finite(number):
        if not math.isfinite(float(number)):
            wrong.append(f"a number that is NaN or infinite: {number}")
        return float(number)

    def unique(pairs):
        row = dict(pairs)
        if len(row) < len(pairs):
            wrong.append("a key that comes twice")
        return row

    decoder = json.JSONDecoder(parse_float=finite, parse_constant=finite, object_pairs_hook=unique)

    def read(text, begin):
        wrong.clear()
        row, end = decoder.raw_decode(text, begin)
        if not isinstance(row, dict):
            return "no JSON object", end
        if text.count("[", begin, end) + text.count("{", begin, end) > MAX_DEPTH and is_deep(row):
            return TOO_DEEP, end
        if text.find("\\u", begin, end) >= 0 and not is_text(json.dumps(row, ensure_ascii=False)):
            return "not Unicode: half a surrogate pair", end
        return wrong[0] if wrong else row, end

    return read


def read_jsonl(file):
    """Yields (line number, dict or what is wrong, bytes) of each line that is not blank."""
    read = json_reader()
    for number, line in read_lines(file):
        try:
            text = decode(line)
            if text.strip():
                row, end = read(text, len(text) - len(text.lstrip(BLANKS)))
                if text[end:].strip(BLANKS):
                    raise json.JSONDecodeError("Extra data", text, end)
                yield number, row, len(line)
        except json.JSONDecodeError as error:
            yield number, f"broken JSON: {error.msg} at column {error.colno}", 0
        except RecursionError:
            yield number, TOO_DEEP, 0
        except ValueError as error:
            yield number, str(error), 0


def read_array(file):
    """Yields (number from 1, dict or what is wrong, characters) of each value of a JSON array; closes the file.

    Raises: Broken if a value has no end, so that it cannot be told where the next one begins.
    """
    read, reader = json_reader(), io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
    text, at, number, why = "", 0, 0, ""
    try:
        while piece := reader.read(max(BLOCK, len(text) - at)):
            text, at = text[at:] + piece, 0
            while mark := BEFORE_VALUE[number > 0].match(text, at):
                try:
                    row, end = read(text, mark.end())
                except json.JSONDecodeError as error:  # unless the rest of it is in the next piece
                    why = f"broken JSON: {error.msg}"
                    break
                if end == len(text):  # it may be a number, and go on
                    break
                number, why = number + 1, ""
                yield number, row if is_text(text[at:end]) else NOT_UTF_8, end - at
                at = end
            if len(text) - at > MAX_LINE:
                raise Broken(f"longer than {MAX_LINE} characters")
        if not AFTER_VALUES[number > 0].fullmatch(text, at):
            raise Broken(why or "broken JSON: neither a comma nor the end of the array")
    except RecursionError as error:
        raise Broken(f"row {number + 1}: {TOO_DEEP}") from error
    except ValueError as error:
        raise Broken(f"row {number + 1}: {error}") from error


def read_fields(file, dialect):
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
        text = line.decode("utf-8", "surrogateescape")  # where the row ends is clear all the same
        # csv.reader would drop each: all but those before a quote or another stay.
        return BACKSLASH.sub(keep_backslash, text) if escaped and "\\" in text else text

    escaped, options = dialect.quotes == "backslash", QUOTES[dialect.quotes] | {"skipinitialspace": dialect.blanks}
    csv.field_size_limit(MAX_FIELD)
    rows, read_again = None, 0
    while True:
        rows = rows or csv.reader(iter(feed, ""), delimiter=dialect.delimiter, strict=True, **options)
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
            yield held[0][0], fields if is_text("".join(fields)) else NOT_UTF_8, sum(len(line) for _, line in held)


def keep_backslash(match):
    return match[0] if match[1] else "\\\\"


def read_csv(file, columns, dialect, header):
    """Yields (line number, {column: text} or what is wrong, bytes) of each row, but for the first if `header`."""
    for number, fields, size in itertools.islice(read_fields(file, dialect), int(header), None):
        if isinstance(fields, list) and len(fields) != len(columns):
            fields = f"{len(fields)} fields, not {len(columns)}"
        yield number, fields if isinstance(fields, str) else dict(zip(columns, fields, strict=True)), size
