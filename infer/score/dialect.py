"""Which dialect a .csv or .tsv is written in, and whether it has a header, by its first rows."""

import itertools

from infer.score.files import open_text
from infer.score.rows import DELIMITERS, NOT_UTF_8, QUOTES, Dialect, read_fields

MARKS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
NAMES = {mark: name for name, mark in MARKS.items()}
SAMPLE = 1000  # rows
BETTER = 10  # so many times fewer bad rows tell another dialect from the usual one
MAX_WORDS = 4  # of a column's name


def look_into(path, encoding, dialect):
    """Returns (names of the columns, or what is wrong with them; its line; the share of the first rows that is bad).

    A header that this dialect takes for one name with a delimiter in it, or whose names begin with blanks or are in
    quotes, counts as if all rows were bad.
    """
    with open_text(path, encoding) as file:
        rows = itertools.islice(read_fields(file, dialect), SAMPLE)
        number, columns, _ = next(rows, (1, "nothing in it", 0))
        if isinstance(columns, str):
            return columns, number, 1
        bad = [is_bad(fields, columns, dialect) for _, fields, _ in rows if fields != NOT_UTF_8]
        alike = len(columns) > 1 or not marks_in(columns[0])
        whole = alike and not any(name[:1] == " " for name in columns) and not is_bad(columns, columns, dialect)
        return columns, number, sum(bad) / max(len(bad), 1) if whole else 1


def is_bad(fields, columns, dialect):
    """Tells whether a row is wrong, has not as many fields as columns, or has quotes that are no text after all."""
    if isinstance(fields, str) or len(fields) != len(columns):
        return True
    return dialect.quotes == "none" and any(len(field) > 1 and field[0] == field[-1] == '"' for field in fields)


def marks_in(name):
    return [mark for mark in NAMES if mark in name]


def recognise(path, suffix, encoding, delimiter=None, quotes=None):
    """Returns the Dialect of a .csv or .tsv.

    It is the usual one of its suffix, unless in another BETTER times fewer of the first rows are bad.

    Args:
      path: Path.
      suffix: of its format.
      encoding: open_text's.
      delimiter, quotes: those that are given, or None.
    """
    usual = Dialect(delimiter or DELIMITERS[suffix], quotes or "doubled")
    columns, _, bad = look_into(path, encoding, usual)
    if not bad or isinstance(columns, str):
        return usual
    delimiters = [usual.delimiter, *(marks_in(columns[0]) if len(columns) == 1 and not delimiter else ())]
    others = [Dialect(*it) for it in itertools.product(delimiters, [quotes] if quotes else QUOTES, (False, True))]
    # Text has commas: where they are between fields, quotes are not text by themselves.
    others = [other for other in others if quotes or other[:2] != (",", "none")]
    shares = {other: look_into(path, encoding, other)[2] for other in others}
    best = min(others, key=shares.get)  # the first of equals
    return best if shares[best] * BETTER <= bad else usual


def describe(dialect, usual):
    """Returns what is unusual about a Dialect, with the options that say the same, as a tuple of str."""
    quotes = {"backslash": '\\" for a quote in a field', "none": "quotes that are text"}.get(dialect.quotes)
    said = (
        dialect.delimiter != usual.delimiter
        and f"{dialect.delimiter!r} between fields (--delimiter {NAMES[dialect.delimiter]})",
        dialect.quotes != usual.quotes and f"{quotes} (--quotes {dialect.quotes})",
        dialect.blanks and "blanks before fields left out",
    )
    return tuple(filter(None, said))


def is_row(columns):
    """Tells whether what should be the names of columns look like a row: a number, or a sentence."""
    return any(name.strip().replace(".", "", 1).isdecimal() or is_sentence(name) for name in columns)


def is_sentence(name):
    return len(name.split()) > MAX_WORDS or name.rstrip().endswith((".", "!"))
