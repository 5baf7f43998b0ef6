"""A build folder and its records, wherever it lies. Standard library only."""

import os
import sys

from digests import RECORD, walk
from record import read_record

from proof.differences import read_digest


class Build:
    """A build to judge.

    Attributes:
      out: its folder by the names in its records, such as build/tiny.
      folder: where it lies.
      whole: whether it has what the stages read; a bundle has not.
      records: {stage's name, as predict/openvino: its record}.
    """

    def __init__(self, out, folder, whole):
        self.out, self.folder, self.whole = out, folder, whole
        self.records = {}
        for path in walk(folder):
            name = os.path.relpath(path, folder).removesuffix(RECORD)
            if path.endswith(RECORD) and not name.startswith("bench/"):  # which measures times
                self.records[name] = read_whole_record(path)
        if not self.records:
            sys.exit(f"{folder}: no records in it: give a build folder, or a bundle of one")
        made = [file for record in self.records.values() for file in record["outputs"]]
        if strangers := [file for file in made if not file.startswith(f"{out}/")]:
            theirs = os.path.dirname(min(strangers, key=len))
            sys.exit(
                f"{folder}: its records are of {ascii(theirs)[1:-1]}, not of {out}: give PROFILE=, and DATA_DIR= and "
                "the like, as it was made with"
            )

    def find(self, name, sha256):
        """Returns the path of a file by its name in the records, or None. One of elsewhere counts by its digest."""
        if name.startswith(f"{self.out}/"):
            path = os.path.join(self.folder, os.path.relpath(name, self.out))
            return path if os.path.isfile(path) else None
        return name if read_digest(name) == sha256 else None


def read_whole_record(path):
    """Returns the record at a path; exits with one line if it is broken, or not as this checkout writes them."""
    record, wrong = read_record(path)
    if wrong:
        sys.exit(f"{path}: {wrong}: make the stage again, or ask for the build anew")
    kinds = {"parameters": str, "modules": list, "goal": str, "flags": dict, "packages": dict, "start": str, "end": str}
    if lacking := [key for key, kind in kinds.items() if not isinstance(record.get(key), kind)]:
        sys.exit(f"{path}: of another version, without {', '.join(lacking)}: use the checkout that made it")
    return record
