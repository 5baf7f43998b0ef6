"""Older results of a training, moved aside with all that follows from them, so that none is ever lost.

A set lies in earlier/STAGE-TIME/ of the build folder, files and records as they lay there. In the tools environment.
"""

import contextlib
import datetime
import os
import shutil
from pathlib import Path

from digests import EARLIER, RECORD, path_of, walk
from record import begun, find_changed_input, find_changed_output, read_record, stage_of


def find_followers(record):
    """Returns {path of a record: outputs' names} of a record, and of all in its folder that follow from it."""
    folder = os.path.dirname(record)
    read = {path: read_record(path)[0] for path in walk(folder) if path.endswith(RECORD)}
    found = {record: [*(read.get(record) or {}).get("outputs", ())]}
    made = {*found[record]}
    while more := {
        path: [*other["outputs"]]
        for path, other in read.items()
        if other and path not in found and made.intersection(other["inputs"])
    }:
        found |= more
        made.update(name for names in more.values() for name in names)
    return found


def move(paths, source, target):
    """Moves files and folders below `source` to the same places below `target`; removes the folders left empty."""
    for path in paths:
        place = os.path.join(target, os.path.relpath(path, source))
        if os.path.lexists(path) and not os.path.relpath(path, source).startswith(".."):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.rename(path, place)
            parent = os.path.dirname(path)
            while os.path.abspath(parent) != os.path.abspath(source):
                with contextlib.suppress(OSError):  # not empty
                    os.rmdir(parent)
                parent = os.path.dirname(parent)


def move_aside(record, outputs):
    """Moves aside what a stage has made, whole or not, and all that follows from it.

    Args:
      record: path of its record.
      outputs: paths of its output files and folders.
    Returns: the folder where it is now, or None if there was nothing.
    """
    folder = os.path.dirname(record)
    followers = find_followers(record)
    names = [name for names in followers.values() for name in names]
    files = [*map(path_of, names)]
    caches = [str(Path(file).with_suffix(".cache")) for file in files if file.endswith(".xml")]
    # Records first: without its record nothing is taken for whole.
    paths = [*followers, begun(record), *outputs, *files, *caches]
    if not any(map(os.path.lexists, paths)):
        return None
    time = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S-%f")
    aside = os.path.join(folder, EARLIER, f"{stage_of(record)}-{time}")
    move(paths, folder, aside)
    print(f"{stage_of(record)}: what was made before is in {aside}", flush=True)
    return aside


def move_back(aside):
    """Moves what is in a folder of move_aside back to where it was."""
    folder = os.path.dirname(os.path.dirname(aside))
    files = [os.path.join(parent, name) for parent, _, names in os.walk(aside) for name in names]
    # Records last, as above.
    move(sorted(files, key=lambda path: path.endswith(RECORD)), aside, folder)
    shutil.rmtree(aside)


def take_back(record, parameters, inputs, outputs):
    """Moves back the earlier result that was made as is asked for now, if there is one; moves aside what is there.

    Args:
      record, outputs: move_aside's.
      parameters: the command.
      inputs: paths of what it reads, as digests.expand takes them.
    Returns: whether there was one.
    """
    folder = os.path.dirname(record)
    for aside in sorted(Path(folder, EARLIER).glob("*")):
        older, _ = read_record(str(aside / os.path.basename(record)))

        def place(name, aside=aside):
            return str(aside / os.path.relpath(path_of(name), folder))

        if older and older.get("parameters") == parameters and "modules" in older:
            if not find_changed_input(older, inputs) and not find_changed_output(older, place):
                move_aside(record, outputs)
                move_back(str(aside))
                return True
    return False
