"""Files of reviews by their names, and what is in them as bytes of UTF-8, however they are packed and encoded."""

import codecs
import contextlib
import io
import itertools
import os
import sys

import pyarrow as pa

from infer.text.encoding import HEAD, SAMPLE, find_wide, guess_narrow

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt")
CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}  # pyarrow's names, by the suffix after the format's
KNOWN = f"choose one of {', '.join(SUFFIXES)}, or any but .parquet with {' or '.join(CODECS)} after it"
BOM = codecs.BOM_UTF8


def format_of(path):
    """Returns the suffix of a Path's format, one of SUFFIXES, in lower case; .ndjson is .jsonl. Exits if it is none."""
    codec = codec_of(path)
    suffix = (path.with_suffix("") if codec else path).suffix.lower()
    if suffix not in SUFFIXES or (codec and suffix == ".parquet"):
        sys.exit(f"{path}: unknown extension {path.suffix!r}: {KNOWN}")
    return ".jsonl" if suffix == ".ndjson" else suffix


def codec_of(path):
    """Returns pyarrow's name of what a Path is packed with, None for nothing."""
    return CODECS.get(path.suffix.lower())


def find_files(paths):
    """Returns the files of a list of Paths, in which a folder stands for the files in it, in the order of their names.

    As Spark and Hugging Face leave it; hidden files, and those such as _SUCCESS, are none. Raises: SystemExit if a path
    is not there, or the files are not all of one format.
    """
    files = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(inner for inner in path.iterdir() if inner.name[0] not in "._")
        if not inside:
            sys.exit(f"{path}: a folder without files of reviews")
        if folder := next((inner for inner in inside if inner.is_dir()), None):
            sys.exit(f"{folder}: a folder in a folder: give the files themselves, or a folder that has only files")
        files += inside
    formats = {format_of(path): path for path in files}
    for path in files:
        if not path.is_file():
            sys.exit(f"{path}: no such file")
        with open(path, "rb"):
            pass
    if len(formats) > 1:
        one, other = itertools.islice(formats.values(), 2)
        sys.exit(f"{other}: not of the format of {one}: give files of one format")
    return files


@contextlib.contextmanager
def refusing_broken(path, encoding=None):
    """Exits with one line if pyarrow cannot read the file, or what is in it is not in the encoding."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        recoding = encoding and isinstance(error, UnicodeError)
        what = f"not in {encoding}" if recoding else f"not a whole {path.suffix} file"
        sys.exit(f"{path}: {what}: {str(error).splitlines()[0]}")


@contextlib.contextmanager
def open_text(path, encoding=None, offset=0):
    """Opens a file of text as a binary, buffered stream of UTF-8, less a byte order mark.

    Args:
      path: Path.
      encoding: as Python calls it; None is UTF-8, and what is not is found where it is decoded.
      offset: bytes to leave out, of a file that is neither packed nor recoded.
    Raises: SystemExit if it cannot be unpacked, is not in this encoding, or is UTF-16 or UTF-32 without it.
    """
    codec = codec_of(path)
    with contextlib.ExitStack() as stack:
        if not codec and not encoding:
            file = stack.enter_context(open(path, "rb"))
            file.seek(offset)
        else:
            stack.enter_context(refusing_broken(path, encoding))
            stream = pa.OSFile(str(path))
            stream = pa.CompressedInputStream(stream, codec) if codec else stream
            stream = pa.transcoding_input_stream(stream, encoding, "utf-8") if encoding else stream
            file = stack.enter_context(io.BufferedReader(stream, 2**16))
        wide = None if offset or encoding else find_wide(file.peek(HEAD))
        if wide:
            sys.exit(f"{path}: is {wide.upper()}: add --encoding {wide} (make: ENCODING={wide})")
        if not offset and file.peek(len(BOM))[: len(BOM)] == BOM:
            file.read(len(BOM))
        yield file


def guess_encoding(path):
    """Returns advice on a file with lines that are not UTF-8, to go behind that, or "" if its SAMPLE is no help."""
    with open_text(path) as file:
        name = guess_narrow(file.read(SAMPLE))
    if name is None:
        return ""
    likely = f"likely {name}" if name else "nor in a Western encoding"
    return f", {likely}: read it with --encoding {name or 'NAME'} (make: ENCODING={name or 'NAME'})"


@contextlib.contextmanager
def packed(file, codec):
    """Yields a binary file to write into, whose content goes into `file`, which stays open, as `codec` packs it."""
    if not codec:
        yield file
        return
    with open(os.dup(file.fileno()), "wb") as raw, pa.CompressedOutputStream(pa.PythonFile(raw, "w"), codec) as stream:
        yield stream
