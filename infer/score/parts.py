"""OUTPUT.parts/, the folder of what has been scored until OUTPUT is whole, and how it becomes OUTPUT.

In it are manifest.txt, which says what the parts are made of, and a file for each window: 00000000.csv and so on.
Whenever a run is killed, each of these is there whole or not at all.
"""

import contextlib
import fcntl
import os
import shutil
import sys

import pyarrow.parquet as pq

from infer.score.files import packed
from infer.score.rows import DELIMITERS
from infer.score.writing import to_csv


def folder_of_parts(output):
    """Returns the Path of the folder of parts that belongs to an output's."""
    return output.with_name(output.name + ".parts")


def list_of_errors(output):
    """Returns the Path of the list of bad rows that belongs to an output's."""
    return output.with_name(output.name + ".errors")


def save(path, write):
    """Writes a file whole or not at all; exits if that fails, e.g. on a full disk."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        sys.exit(f"{path}: {error.strerror or error}: mend that, e.g. make room, and run it again to go on")


@contextlib.contextmanager
def locked(folder):
    """Makes a folder, or takes it up again, for this run alone; exits if another is at it."""
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        sys.exit(f"{folder}: another run is at work on it: wait until it has ended")
    finally:
        os.close(lock)


def claim(folder, manifest):
    """Notes in OUTPUT.parts/ what its parts are made of; exits if it was begun with something else.

    Args:
      folder: its Path.
      manifest: {what: str}, all that the parts depend on.
    """
    path = folder / "manifest.txt"
    lines = {what: f"{what}: {value}\n" for what, value in manifest.items()}
    if path.exists():
        begun = path.read_text(errors="replace")
        if others := [what for what, line in lines.items() if line not in begun]:
            advice = "give the same again to go on, or remove the folder to start over"
            sys.exit(f"{folder}: begun with another {', another '.join(others)}: {advice}")
    elif {file.name for file in folder.iterdir()} - {"manifest.txt.part"}:
        sys.exit(f"{folder}: not begun by this command, yet not empty: move it away")
    else:
        save(path, lambda file: file.write("".join(lines.values()).encode()))


def remove(folder):
    """Removes OUTPUT.parts/, its manifest last, so that it can be taken up if this is cut short."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "manifest.txt"):
        path.unlink()
    folder.rmdir()


def join(parts, suffix, codec, schema, file):
    """Writes the parts, one after another, to a binary file.

    Args:
      parts: list of Path.
      suffix: of their format.
      codec: pyarrow's name of what to pack a format of text with, or None.
      schema: pa.Schema of the parts.
      file: binary, with a file descriptor.
    """
    if suffix == ".parquet":
        with pq.ParquetWriter(file, schema) as writer:
            for part in parts:
                writer.write_table(pq.ParquetFile(part).read())
        return
    with packed(file, codec) as text:
        if suffix in DELIMITERS:
            text.write(to_csv([schema.names], suffix))
        begin, between, end = (b"[\n", b",\n", b"\n]\n") if suffix == ".json" else (b"", b"", b"")
        text.write(begin)
        for i, path in enumerate(parts):
            text.write(between * bool(i))
            with open(path, "rb") as part:
                shutil.copyfileobj(part, text)
        text.write(end)
