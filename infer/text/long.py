"""Texts that are longer than the model reads: what is read of them, how that becomes one answer, and what is not read.

Of three ways two are from Sun et al., "How to Fine-Tune BERT for Text Classification?", 2019: "head_tail", where of 510
WordPieces 128 are a text's first and 382 its last; and "windows", all of a text in pieces, each of which is predicted.
There their [CLS] vectors are pooled; here their probabilities are, so that the model is what it was trained as. "cut"
is upstream's, bert.run_classifier's. NumPy alone, on Python 3.7 as well.
"""

import sys
from collections import Counter

import numpy as np

LONG = ("cut", "head_tail", "windows")
LONG_HELP = "of a longer text than the model reads: its beginning, less of that and its end, or all (default: cut)"
ADVICE = "--long windows"
ADVICE_TOO = f"{ADVICE} (make: LONG=windows)"
MAX_WINDOWS = 64  # of a text; what is beyond is cut


def reach_of(room):
    """Returns how many WordPieces of a text are read in MAX_WINDOWS windows of `room`."""
    return MAX_WINDOWS * room


def count_windows(lengths, room):
    """Returns how many windows texts of so many WordPieces, int array, are read in, int array: as few as hold them."""
    return np.clip(-(-lengths // room), 1, MAX_WINDOWS)


def spans_of(ids, room, long):
    """Returns what is read of a text: a list of lists of at most `room` of its ids, one if it is not longer.

    All windows are of `room` ids and about equally far apart, and the last ends where the text does: they overlap by no
    more than that takes, and none is short, as a last one of a few words would be, whose answer would count as much.

    Args:
      ids: list of int, without [CLS] and [SEP].
      room: int, how many of them the model reads.
      long: of LONG.
    """
    if len(ids) <= room or long == "cut":
        return [ids[:room]]
    if long == "head_tail":
        head = room // 4
        return [ids[:head] + ids[head - room :]]
    last, gaps = min(len(ids), reach_of(room)) - room, int(count_windows(len(ids), room)) - 1
    return [ids[start : start + room] for start in (i * last // gaps for i in range(gaps + 1))]


def to_spans(ids, room, long):
    """Returns (list of lists of ids, all that is read of texts; int array (texts,), where each text's begin in it).

    Args: spans_of's, `ids` a list of the texts' own.
    """
    spans = [spans_of(text, room, long) for text in ids]
    first = np.cumsum([0, *map(len, spans)])[:-1]
    return [span for text in spans for span in text], first


def combine(probabilities, first):
    """Returns the probabilities of texts from those of their spans: the mean of the logarithms, normalised.

    That of a text of one span stays as it is, to the bit.

    Args:
      probabilities: float32 array (spans, labels).
      first: int array (texts,), as of to_spans.
    Returns: float32 array (texts, labels).
    """
    if len(first) == len(probabilities):
        return probabilities
    counts = np.diff(np.append(first, len(probabilities)))
    combined, several = probabilities[first], counts > 1
    # A float32 softmax can be 0, whose logarithm is infinite.
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=np.float64))
    means = (np.add.reduceat(logs, first) / counts[:, None])[several]
    means = np.exp(means - means.max(axis=1, keepdims=True))
    combined[several] = means / means.sum(axis=1, keepdims=True)
    return combined


def count(lengths, room):
    """Returns the Counter of some texts, to be added up and given to `say`.

    Args:
      lengths: sequence of int, their WordPieces.
      room: int, how many WordPieces the model reads.
    Returns: Counter of texts; longer: those of more than `room`; pieces; cut and beyond: how many of these are behind
      the first `room`, and behind MAX_WINDOWS; windows: how many there are; huge: texts of whose WordPieces some may
      not be counted, see load_tokenizer's max_words.
    """
    lengths = np.asarray(lengths, np.int64)
    reach = reach_of(room)
    counts = {
        "texts": len(lengths),
        "longer": (lengths > room).sum(),
        "pieces": lengths.sum(),
        "cut": np.maximum(lengths - room, 0).sum(),
        "beyond": np.maximum(lengths - reach, 0).sum(),
        "windows": count_windows(lengths, room).sum(),
        "huge": (lengths >= 2 * reach).sum(),
    }
    return Counter({name: int(value) for name, value in counts.items()})


def say(name, counted, room, long="cut", advice=ADVICE, file=None):
    """Prints the line on texts that are longer than the model reads, if there are any.

    Args:
      name: of the file, or what they are.
      counted: Counter, as of `count`.
      room, long: as in spans_of.
      advice: what reads more of them, or "" for none.
      file: to print to, or None for standard error.
    """
    if not counted["longer"]:
        return
    rows = f"in {counted['windows'] / counted['texts']:.1f} times as many rows"
    unread = counted["beyond" if long == "windows" else "cut"] / counted["pieces"]
    unread = f"{'at least ' * bool(counted['huge'])}{unread:.1%} of all WordPieces"
    if long == "windows":
        read = f"read in windows, {rows}" + f"; not read, beyond {MAX_WINDOWS}: {unread}" * bool(counted["beyond"])
    else:
        between = f", between the first {room // 4} and the last {room - room // 4}" * (long == "head_tail")
        reads = "reads more" if counted["beyond"] else "reads them"
        read = f"not read{between}: {unread}" + f": {advice} {reads}, {rows}" * bool(advice)
    longer = f"{counted['longer']} of {counted['texts']} texts {'is' if counted['longer'] == 1 else 'are'} longer"
    print(f"{name}: {longer} than the {room} WordPieces that the model reads; {read}", file=file or sys.stderr)
