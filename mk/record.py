"""Records: what made what, whether it still is so, and the check of a build folder against them.

A record is the JSON file STAGE.record.json beside what the stage made. Runs in the tools environment.
"""

import contextlib
import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

from digests import BEGUN, RECORD, digests, expand, name_of, path_of, walk

NOT_MADE = "not made yet"


def seal(record):
    """Returns the SHA-256 of a record without its own: of its JSON with sorted keys."""
    content = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def begun(path):
    """Returns the path of the file that says with what a stage was begun, by that of its record."""
    return path.removesuffix(RECORD) + BEGUN


def stage_of(path):
    """Returns the stage's name in the path of its record."""
    return os.path.basename(path).removesuffix(RECORD)


def read_record(path):
    """Returns (record, None), or (None, what is wrong with it)."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8", errors="surrogateescape"))
        sealed = isinstance(record, dict) and seal(record)
    except (OSError, ValueError, RecursionError) as error:
        return None, f"unreadable or not JSON ({error})"
    needed = ("stage", "inputs", "outputs", "sha256")
    if lacking := [key for key in needed if not isinstance(record, dict) or key not in record]:
        return None, f"lacks {', '.join(lacking)}"
    if record["sha256"] != sealed:
        return None, "edited by hand since it was written"
    stage, files = record["stage"], (record["inputs"], record["outputs"])
    if not isinstance(stage, str) or not stage.isprintable() or not all(map(is_paths, files)):
        return None, "names what is no file"
    return record, None


def is_paths(found):
    """Tells whether a value of JSON is {name: SHA-256}, its names such as a file can have, as they are written here."""
    with contextlib.suppress(UnicodeEncodeError):
        return isinstance(found, dict) and all(
            name == name_of(path_of(name)) and b"\0" not in os.fsencode(name) for name in found
        )
    return False


def read_flags(words):
    """Returns {name: value} of `--name=value` and `--name value`; True for a name without a value."""
    flags = {}
    for word, following in zip(words, [*words[1:], "-"], strict=True):
        if word.startswith("--") and word != "--":
            name, equals, value = word[2:].partition("=")
            flags[name] = value if equals else following.startswith("-") or following
    return flags


def compare_commands(before, now):
    """Returns how a command differs from the recorded one, in words: its flags, if those are what differs."""
    old_words, new_words = shlex.split(before), shlex.split(now)
    old, new = read_flags(old_words), read_flags(new_words)
    differences = [f"--{name} is new" for name in new if name not in old]
    differences += [f"--{name} is gone" for name in old if name not in new]
    differences += [
        f"--{name} was {old[name]}, is {new[name]}" for name in new if old.get(name, new[name]) != new[name]
    ]
    if old_words[:1] != new_words[:1]:
        differences.append(f"it ran in {old_words[0]}, is to run in {new_words[0]}")
    return ", ".join(differences) or f"its command was `{before}`, is `{now}`"


def find_difference(path, command, inputs, planned=()):
    """Returns why a stage has to be made, in words, or None if all is as its record has it.

    Args:
      path: of its record.
      command: as it would run now, in a shell's words.
      inputs: paths of what it is declared to read now, as expand takes them.
      planned: paths of what is to be made before it, in a dry run.
    """
    if not os.path.isfile(path):
        return "was stopped before it was whole" if os.path.isfile(begun(path)) else NOT_MADE
    record, wrong = read_record(path)
    if wrong or not isinstance(record.get("modules"), list) or not isinstance(record.get("parameters"), str):
        return f"its record {wrong or 'is of an older version'}"
    if record["parameters"] != command:
        return compare_commands(record["parameters"], command)
    first = tuple(name_of(path) for path in planned)
    waited_for = [
        path
        for path in inputs
        if name_of(path) in first or name_of(path).startswith(tuple(f"{folder}/" for folder in first))
    ]
    changed = find_changed_input(record, inputs, waited_for)
    if waited_for and not changed:
        return f"{name_of(waited_for[0])} is to be made first"
    return changed or find_changed_output(record)


def find_changed_input(record, inputs, but=()):
    """Returns which input differs from what a stage's record has, but for some of them, in words, or None."""
    files = [file for path in inputs for file in expand(path)]
    found = digests([*files, *map(path_of, record["modules"])])
    declared = {name_of(file) for file in files}
    ignored = {name_of(file) for path in but for file in (*expand(path), path)}
    for name, sha256 in record["inputs"].items():
        if name in ignored or (but and name not in found):  # or a part of what is not there yet
            continue
        if name not in declared and name not in record["modules"]:
            return f"it read {name}, and does not now"
        if found[name] != sha256:
            return f"{name} differs from what it was made with" if found[name] else f"{name} is not there"
    unread = declared - {*record["inputs"]} - ignored
    return f"it has not read {min(unread)}" if unread else None


def find_changed_output(record, path_of=path_of):
    """Returns which output differs from what a stage's record has, in words, or None.

    Args:
      path_of: function of an output's name to its path, for what has been moved since.
    """
    places = {name: path_of(name) for name in record["outputs"]}
    found = digests(places.values())
    for name, sha256 in record["outputs"].items():
        now = found[name_of(places[name])]
        if now != sha256:
            return f"{name} is not as it was made" if now else f"{name} is not there"
    return None


def place(name, out, source):
    """Returns the path of a file by its name in a record, where the folder `out` of the checkout lies at `source`."""
    if source and name.startswith(out + os.sep):
        return os.path.join(source, os.path.relpath(name, out))
    return path_of(name)


def verify(out, source=None):
    """Compares all that the records in a folder name with what is there; exits with a line for each difference.

    Args:
      out: the folder, by the names in its records.
      source: where it lies, if not there.
    """
    folder = source or out
    if not os.path.isdir(folder):
        sys.exit(f"{folder}: no such folder")
    paths = [path for path in walk(folder) if path.endswith(RECORD)]
    if not paths:
        sys.exit(f"{folder}: no records in it: make a stage first")
    read = {path: read_record(path) for path in paths}
    records = [record for record, _ in read.values() if record]
    differences = [f"{path}: {wrong}: make the stage again or restore it" for path, (_, wrong) in read.items() if wrong]

    named = sorted({name for record in records for kind in ("inputs", "outputs") for name in record[kind]})
    places = {name: place(name, out, source) for name in named}
    if source and not any(name.startswith(out + os.sep) for record in records for name in record["outputs"]):
        sys.exit(
            f"{folder}: its records are not of {out}: give PROFILE=, and DATA_DIR= and the like, as it was made with"
        )
    digest = digests(places.values(), cached=False)
    found = {name: digest[name_of(path)] for name, path in places.items()}
    for record in records:
        stage, goal = record["stage"], record.get("goal", record["stage"])
        for kind, did, changed in (("outputs", "made", "is no longer as"), ("inputs", "read", "has changed since")):
            for name, sha256 in record[kind].items():
                what = changed if found[name] else "is missing or unreadable:"
                if found[name] != sha256:
                    differences.append(f"{name}: {what} {stage} {did} it: restore it, or run `make {goal}`")
    if len(records) == len(paths):  # a broken record's files would all look stray
        known = {os.path.realpath(places[name]) for record in records for name in record["outputs"]}
        for path in expand(folder):
            if os.path.realpath(path) not in known:
                differences.append(f"{path}: in no record: its stage has not ended, or it came from elsewhere")

    summary = f"{len(paths)} records, {len(named)} files"
    if differences:
        sys.exit("\n".join([*differences, f"{folder}: {summary}: {len(differences)} not as recorded"]))
    print(f"{summary}: all as recorded")
