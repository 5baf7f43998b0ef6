"""The labels' names, in the order of their ids, which travel with what is trained: labels.txt, one a line.

Standard library only, in every environment, on Python 3.7 as well.
"""

import os
import sys
import unicodedata

LABELS = ["Negative", "Positive"]  # the guide's
LABELS_FILE = "labels.txt"
MAX_LABELS = 1000
MAX_LABEL = 200  # characters of one
MAX_BYTES = 4 * MAX_LABELS * (MAX_LABEL + 1)


def is_printable(label):
    """Tells whether a str has no line end and no control character in it.

    Not as str.isprintable, to which a letter newer than Python is not printable: an older Python reads the same labels.
    """
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in label)


def check_labels(labels):
    """Raises ValueError that says what is wrong if a list of str can't name the labels of a classifier."""
    if not 2 <= len(labels) <= MAX_LABELS:
        raise ValueError(f"{len(labels)} label{'s' * (len(labels) != 1)}: a classifier has 2 to {MAX_LABELS}")
    for label in labels:
        if not label.strip() or len(label) > MAX_LABEL or not is_printable(label):
            raise ValueError(f"{ascii(label[:40])} is no label: it must be printable, of 1 to {MAX_LABEL} characters")
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"the label {label!r} is there twice")


def read_labels(folder, count=None):
    """Returns the labels of what lies in a folder, list of str: of its labels.txt, or the guide's two without one.

    Args:
      folder: of a checkpoint, features, examples, or weight.npy.
      count: int, how many labels the model has, if that is known. Without a labels.txt, more or less than two are
        called by their ids.
    Raises: SystemExit, with one line, if labels.txt is damaged, or has not `count` labels.
    """
    path = os.path.join(str(folder), LABELS_FILE)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        labels = data.decode("utf-8").split("\n")
        if len(data) > MAX_BYTES or labels.pop():
            raise ValueError("not one label a line")
        check_labels(labels)
    except FileNotFoundError:
        return LABELS if count in (None, 2) else [str(i) for i in range(count)]
    except (OSError, ValueError) as error:
        sys.exit(f"{path}: cannot read the labels: {error}")
    if count not in (None, len(labels)):
        sys.exit(f"{path}: {len(labels)} labels, but the model has {count}: they belong to different models")
    return labels


def write_labels(folder, labels):
    """Writes labels.txt into a folder, completely or not at all."""
    path = os.path.join(str(folder), LABELS_FILE)
    with open(path + ".part", "wb") as file:
        file.write("".join(f"{label}\n" for label in labels).encode("utf-8"))
    os.replace(path + ".part", path)
