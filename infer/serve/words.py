"""Which words an answer comes from: each is left out in turn, and what is left is predicted like any other text."""

import re

import numpy as np

from infer.text.tokenizer import CJK

IDEOGRAPHS = "".join(f"{chr(first)}-{chr(last)}" for first, last in CJK)
WORD = re.compile(f"[{IDEOGRAPHS}]|[^\\s{IDEOGRAPHS}]+")


def find_words(text):
    """Returns a list of (start, end) of the words of a text: what spaces end, and each ideograph by itself."""
    return [match.span() for match in WORD.finditer(text)]


def count_read(classifier, text, words):
    """Returns how many of the words of a text the classifier reads before it cuts the rest.

    No rule of the tokenizer looks past the ends of a word, so the WordPieces of a text are those of its words.
    """
    pieces = np.zeros(len(words), int)
    for chosen, (_, mask, _) in classifier.batches([text[start:end] for start, end in words]):
        pieces[chosen] = mask.sum(1) - 2  # without [CLS] and [SEP]
    return int(np.searchsorted(np.cumsum(pieces) - pieces, classifier.max_seq_length - 2))


def without_each(text, words):
    """Returns the texts that are left when each of the words is left out."""
    return [text[:start] + text[end:] for start, end in words]
