"""The bad rows of the files that are read: said, counted, listed."""

import errno
import os
import sys

from tqdm import tqdm

from infer.score.files import guess_encoding
from infer.score.rows import NOT_UTF_8

REPORTED = 20  # bad rows, before they are only counted


class BadRows:
    """The bad rows of the input: all are counted and listed, the first REPORTED of them said as well.

    Args:
      several: whether they are listed with the name of their file.
      is_text: whether what is not UTF-8 may be of another encoding.
      strict: exit at the first.
      listed: a binary file to list them in, unbuffered.
    """

    def __init__(self, several, is_text, strict, listed):
        self.several, self.is_text, self.strict, self.listed = several, is_text, strict, listed
        self.count, self.foreign = 0, None  # how many there are, and the first file with text that is not UTF-8

    def report(self, path, place, why):
        """Takes the Path of a file, where in it a bad row is, and what is wrong with it."""
        self.count += 1
        if why == NOT_UTF_8 and self.is_text:
            self.foreign = self.foreign or path
        if self.strict:
            advice = self.foreign and guess_encoding(path) or ": mend it"
            sys.exit(f"{path}: {place}: {why}{advice}, or leave out --strict to skip it")
        try:
            name = f"{path}: " if self.several else ""
            line = f"{name}{place}: {' '.join(why.splitlines())}\n".encode(errors="backslashreplace")
            if self.listed.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            sys.exit(f"{path}: cannot list its bad rows: {error.strerror}: mend that, e.g. make room")
        if self.count <= REPORTED:
            tqdm.write(f"{path}: {place}: {why}: skipped", file=sys.stderr)

    def report_rest(self, name):
        """Says how many more there were than have been said, and in which encoding those that are not UTF-8 may be."""
        if self.count > REPORTED:
            print(f"{name}: and {self.count - REPORTED} more bad rows: skipped", file=sys.stderr)
        if self.foreign and (guess := guess_encoding(self.foreign)):
            print(f"{self.foreign}: {NOT_UTF_8}{guess}", file=sys.stderr)


def name_of(paths):
    """Returns what to call the files in a message."""
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else str(paths[0])
