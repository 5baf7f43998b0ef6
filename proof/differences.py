"""By how much what a stage made again differs from what its record has. Runs in the tools environment.

Most files have to be the same to the byte. What two runs of the same never have alike is taken out before they are
compared, and nothing else: see UNSTABLE.
"""

import array
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from infer.text.files import sha256_of

TF1 = [".tox/tf1/bin/python", "-m", "tf1.differ"]
# By the end of a file's name: of text, what is replaced by nothing; of what TensorFlow writes, None: see tf1/differ.py.
UNSTABLE = (
    (re.compile(r"\.meta$|(^|/)(graph\.pbtxt|events\.out\.tfevents)$"), None),
    # OpenVINO numbers nodes without a name through a process, so code that has nothing to do with them changes that,
    # and with it the seal of the file.
    (
        re.compile(r"(^|/)int8/classifier\.xml$"),
        re.compile(r'(?<= name=")[A-Z][A-Za-z0-9]*_\d+(?=")|(?<=<sha256 value=")[0-9a-f]{64}(?=")'),
    ),
    (
        re.compile(r"(^|/)huggingface/README\.md$"),
        re.compile(r"(?<=commit `)\w+`(, with changes that are in no commit)?"),
    ),
    (re.compile(r"(^|/)mo\.log$"), re.compile(r"(?<= file: )/.*/(?=[^/]*\.part/)")),
    (
        re.compile(r"(^|/)int8/results\.txt$"),
        re.compile(r"[\d.]+(?= reviews/s)|is [\d.]+ times as fast as FP32 here(: .*)?"),
    ),
)
EVENTS = re.compile(r"(events\.out\.tfevents)\.\d+\..*")
DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")  # a checkpoint's, which its .index names
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Difference(NamedTuple):
    """How a file differs.

    Attributes:
      name: of the file.
      text: how, in words; empty if in nothing that counts.
      amount: the largest difference of a number in it, or None if more than numbers differ.
      labels: how many answers have another label.
    """

    name: str
    text: str
    amount: float | None = None
    labels: int = 0


def stable_name(name):
    """Returns a file's name without the time and the host in it, which an event file has."""
    folder, base = os.path.split(name)
    return os.path.join(folder, EVENTS.sub(r"\1", base))


def unstable(name):
    """Returns (whether two runs of the same differ in this file, what of its text does not count or None)."""
    name = stable_name(name)
    return next(((True, pattern) for names, pattern in UNSTABLE if names.search(name)), (False, None))


def read_digest(path):
    """Returns the SHA-256 of a file as it is now, or None if there is none."""
    try:
        return sha256_of(path)
    except OSError:
        return None


def differ_in_text(old, new):
    """Returns (how two texts differ, the largest difference or None, answers of another label).

    If all but their numbers is alike, by how much these differ; a line of several numbers is an answer's probabilities.
    """
    pairs = list(zip(old.splitlines(), new.splitlines(), strict=False))
    if len(old.splitlines()) != len(new.splitlines()) or NUMBER.sub("", old) != NUMBER.sub("", new):
        lines = sum(one != other for one, other in pairs) + abs(len(old.splitlines()) - len(new.splitlines()))
        return f"{lines} lines", None, 0
    far, labels, named = 0.0, 0, []
    for one, other in pairs:
        if one == other:
            continue
        numbers = [list(map(float, NUMBER.findall(line))) for line in (one, other)]
        far = max([far, *(abs(a - b) for a, b in zip(*numbers, strict=True))])
        if len(numbers[0]) > 1:
            labels += len({values.index(max(values)) for values in numbers}) > 1
        elif " = " in one:
            named.append(f"{one} is {other.partition(' = ')[2]}")
    if named:
        return ", ".join(named), far, 0
    return f"numbers by up to {far:.1e}, {labels} labels", far, labels


def differ_in_floats(old, new, start):
    """Returns (how two files of float32 differ, the largest difference or None), from the byte `start` on."""
    count = sum(map(int.__ne__, old, new)) + abs(len(old) - len(new))
    text = f"{count} of {len(old)} bytes"
    if len(old) != len(new) or old[:start] != new[:start] or (len(old) - start) % 4:
        return text, None
    floats = [array.array("f", each[start:]) for each in (old, new)]
    distances = [abs(one - other) for one, other in zip(*floats, strict=True) if one != other]
    if not all(map(math.isfinite, distances)) or not distances:
        return text, None
    return f"{text}, up to {max(distances):.1e}", max(distances)


def ask_tensorflow(old, new):
    """Returns tf1/differ.py's answer on two files: (how they differ, the largest difference or None)."""
    done = subprocess.run([*TF1, old, new], capture_output=True, text=True)
    try:
        found = json.loads(done.stdout.splitlines()[-1])
        return found["difference"], found["largest"]
    except (IndexError, ValueError):
        sys.exit(f"{new}: could not be compared: {(done.stderr.strip().splitlines() or ['tf1.differ failed'])[-1]}")


def is_text(data):
    return b"\0" not in data


def differ(name, old, new):
    """Returns the Difference of the files at the paths `old` and `new`, which are not the same to the byte."""
    base = os.path.basename(name)
    known, pattern = unstable(name)
    if (known and not pattern) or base.endswith((".index", ".pb")) or DATA.search(base):
        return Difference(name, *ask_tensorflow(*(DATA.sub(".index", path) for path in (old, new))))
    before, after = Path(old).read_bytes(), Path(new).read_bytes()
    if base.endswith((".npy", ".bin")):
        start = 10 + int.from_bytes(before[8:10], "little") if base.endswith(".npy") else 0
        return Difference(name, *differ_in_floats(before, after, start))
    if is_text(before) and is_text(after):
        before, after = (text.decode(errors="surrogateescape") for text in (before, after))
        if pattern:
            before, after = pattern.sub("", before), pattern.sub("", after)
        return Difference(name, *(differ_in_text(before, after) if before != after else ("", 0.0)))
    count = sum(map(int.__ne__, before, after)) + abs(len(before) - len(after))
    return Difference(name, f"{count} of {len(before)} bytes")
