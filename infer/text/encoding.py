"""Which encoding bytes are in that should be UTF-8. Standard library only, on Python 3.7 as well."""

import codecs
import re
import unicodedata

HEAD = 4096  # bytes that tell UTF-16 and UTF-32
SAMPLE = 2**22  # bytes that tell the others
MARKS = {  # UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WITHOUT_MARK = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Of the characters, how many are none of text in bytes that are not UTF-8; if they are all NULs; and in what it is.
STRANGE, NULS, RARE = 0.1, 0.4, 0.05


def find_wide(data):
    """Returns the encoding of UTF-16 or UTF-32 that a text is in, as Python calls it, or None.

    Where there is no byte order mark, it is one that makes text of what is none in UTF-8.

    Args:
      data: bytes that a text begins with; no more than HEAD are looked at.
    """
    data = data[:HEAD]
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return name
    if b"\0" not in data:
        return None
    narrow = decode_head(data, "utf-8")
    proven = "\ufffd" not in narrow and max(narrow) > "\x7f"  # other bytes do not make UTF-8 by chance
    nuls, strange = narrow.count("\0"), count_strange(narrow)
    if proven or strange < (NULS if strange == nuls else STRANGE) * len(narrow):
        return None
    texts = {name: decode_head(data, name) for name in WITHOUT_MARK}
    found = [name for name, text in texts.items() if text and count_strange(text) <= RARE * len(text)]
    return min(found, key=lambda name: scatter(texts[name]), default=None)


def scatter(text):
    """Returns a tuple that is larger in the wrong byte order of UTF-16.

    A language's letters are in few blocks of 256; in the other byte order they are anywhere, and no line ends.
    """
    return len({ord(letter) >> 8 for letter in text}) - text.count("\n"), min(text)


def decode_head(data, encoding):
    """Returns the text of bytes whose last character may be cut, with U+FFFD for what is not in the encoding."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(data)


def count_strange(text):
    """Returns how many characters are controls, unassigned or U+FFFD."""
    letters = re.sub("[\t\r\n]", "", text)
    return sum(letter == "\ufffd" or unicodedata.category(letter) in ("Cc", "Cn") for letter in letters)


def to_text(data):
    """Returns the text of UTF-8; raises ValueError that says what the bytes are instead."""
    wide = find_wide(data)
    if wide:
        raise ValueError(f"is {wide.upper()}, not UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        likely = guess_narrow(data)
        raise ValueError(f"not UTF-8, likely {likely}" if likely else "not UTF-8") from error


def guess_narrow(data):
    """Returns the likely encoding of bytes with lines that are not UTF-8, "" if none is, None for UTF-8.

    Known is the frequent case alone, Windows' and Latin-1 for Western languages, where what is not ASCII stands alone.
    (For such text charset-normalizer answers cp1250 or cp1257.) As UTF-8 counts what has lines of it beside others.
    """
    foreign = [line for line in data[:SAMPLE].split(b"\n") if re.search(rb"[\x80-\xff]", line)]
    if not foreign or any(is_utf8(line) for line in foreign):
        return None
    sample = b"".join(foreign)
    words = re.findall(rb"[\x80-\xff]{3,}", sample)
    return "cp1252" if 2 * sum(map(len, words)) < len(re.findall(rb"[\x80-\xff]", sample)) else ""


def is_utf8(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False
