"""The rows of a .csv, .tsv, .jsonl or .txt, one after the other, whatever is in it.

A row that cannot be read is yielded as what is wrong with it, and the next one is read: hence Python's csv and json,
where pyarrow's readers would give up a whole block.
"""

import csv
import itertools
import json
import math

DELIMITERS = {".csv": ",", ".tsv": "\t"}
MAX_LINE = MAX_FIELD = 2**25  # bytes, characters; what is longer is a bad row, so that no file fills the memory
MAX_READ_AGAIN = 2**27  # bytes of lines in all that follow a quote that is never closed
MAX_DEPTH = 100  # of lists and objects in JSON, within what Python reads and writes
BOM = b"\xef\xbb\xbf"


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
    """Returns the float of a number in JSON's text; raises ValueError if it is NaN or infinite, or becomes so."""
    if not math.isfinite(float(number)):
        raise ValueError(f"a number that is NaN or infinite: {number}")
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
