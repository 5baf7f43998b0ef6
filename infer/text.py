"""Text to ids: the very ids of google-research/bert's FullTokenizer, at many times its speed.

Its rules are put into tables of characters, applied by str.translate, and what stands between two spaces again and
again is remembered; WordPiece is Hugging Face's. Source of the rules: google-research/bert's tokenization.py.
"""

import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import unicodedataplus
from tokenizers import models

from inputs.vocab import SPECIAL_TOKENS, read_vocab

__all__ = ["SPECIAL_TOKENS", "load_tokenizer", "read_casing", "read_vocab", "to_batches", "to_features"]
MAX_INPUT_CHARS_PER_WORD = 200  # upstream's limit; Hugging Face's is 100
MAX_CHUNKS, MAX_CHUNK = 200_000, 32  # of so many characters that are remembered, 70 to 150 MB
MAX_SPLIT = 1 << 14  # characters of a text that is split into chunks

# Training ran on Python 3.7, which knows Unicode 11: a later character is unassigned there, so upstream drops it.
UNICODE_VERSION = 11.0
# The three characters of Unicode 11 whose category has changed since in a way that shows.
CATEGORY_IN_UNICODE_11 = {"\u166d": "Po", "\u1734": "Mn", "\ua9bd": "Mc"}
CJK = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F))
CJK += ((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F))


class Table(dict):
    """A dict that is filled from a function as keys come up."""

    def __init__(self, function):
        self.function = function

    def __missing__(self, key):
        self[key] = value = self.function(key)
        return value


class Chunks(Table):
    """A Table that keeps no long chunks, and starts anew when it holds MAX_CHUNKS."""

    def __missing__(self, chunk):
        value = self.function(chunk)
        if len(chunk) <= MAX_CHUNK:
            if len(self) >= MAX_CHUNKS:
                self.clear()
            self[chunk] = value
        return value


def category(char):
    """Returns the general category that Unicode 11 gives `char`: "Cn" to what came later."""
    if float(unicodedataplus.age(char).replace("Unassigned", "99")) > UNICODE_VERSION:
        return "Cn"
    return CATEGORY_IN_UNICODE_11.get(char) or unicodedata.category(char)


def clean(code_point):
    """Drops controls and what is unassigned and sets CJK apart, as BasicTokenizer before it lowers."""
    char = chr(code_point)
    if char not in "\t\n\r" and (category(char)[0] == "C" or char == "\ufffd"):
        return None
    return f" {char} " if any(first <= code_point <= last for first, last in CJK) else char


def strip_accents(code_point):
    """Drops nonspacing marks, as BasicTokenizer._run_strip_accents."""
    return None if category(chr(code_point)) == "Mn" else code_point


def clean_and_set_apart(code_point):
    """Both at once, for ASCII, where nothing comes between them."""
    return clean(code_point) and set_apart(code_point)


def set_apart(code_point):
    """Sets punctuation apart, as BasicTokenizer._run_split_on_punc: all of ASCII that is no letter, digit or space."""
    char = chr(code_point)
    punctuation = category(char)[0] == "P" or (33 <= code_point < 127 and not char.isalnum())
    return f" {char} " if punctuation else char


def read_casing(vocab_file):
    """Returns do_lower_case of the tokenizer_config.json beside a vocabulary; without one, True.

    Raises: SystemExit if it is there and doesn't say.
    """
    path = Path(vocab_file).with_name("tokenizer_config.json")
    try:
        do_lower_case = json.loads(path.read_text(encoding="utf-8"))["do_lower_case"]
        if not isinstance(do_lower_case, bool):
            raise TypeError("neither true nor false")
        return do_lower_case
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        sys.exit(f"{path}: cannot read do_lower_case from it: {error!r}")


def load_tokenizer(vocab, do_lower_case=True, max_words=sys.maxsize):
    """Returns a function: list of texts to a list of their WordPiece ids, lists too, without special tokens.

    `vocab` is read_vocab's. The function's ids equal bert.tokenization.FullTokenizer's on Python 3.7, on any text, at
    least as far as its first `max_words` words. A literal "[SEP]" in a review is three ordinary words, as upstream.
    """
    wordpiece = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=MAX_INPUT_CHARS_PER_WORD)
    functions = clean, strip_accents, set_apart, clean_and_set_apart
    cleaned, unaccented, apart, cleaned_apart = map(Table, functions)

    def tokenize(text):
        if text.isascii():
            text = text.lower() if do_lower_case else text
            # The longest piece that a word of the vocabulary begins with is the word.
            if text.isalnum() and text in vocab:
                return [vocab[text]]
            text = text.translate(cleaned_apart)
        else:
            text = text.translate(cleaned)
            if do_lower_case:
                text = unicodedata.normalize("NFD", text.lower()).translate(unaccented)
            text = text.translate(apart)
        ids = []
        for word in text.split(None, max_words)[:max_words]:
            word = word[: MAX_INPUT_CHARS_PER_WORD + 1]  # any of more characters is [UNK] too
            ids += [vocab[word]] if word in vocab else [piece.id for piece in wordpiece.tokenize(word)]
        return ids

    chunks = Chunks(tokenize)

    def encode(text):
        if len(text) > MAX_SPLIT:
            return tokenize(text)
        ids = []
        # No rule looks beyond a space.
        for chunk in text.split(" "):
            ids += chunks[chunk]
        return ids

    return lambda texts: [encode(text) for text in texts]


def to_features(ids, vocab_ids, max_seq_length):
    """Frames ids with [CLS] and [SEP], and cuts or pads them to `max_seq_length`.

    Args:
      ids: list of int.
      vocab_ids: (id of [CLS], id of [SEP]).
      max_seq_length: int.
    Returns: input_ids, input_mask, segment_ids, each int32 of shape (1, max_seq_length).
    Source: bert.run_classifier.convert_single_example.
    """
    cls, sep = vocab_ids
    ids = [cls, *ids[: max_seq_length - 2], sep]
    features = np.zeros((3, 1, max_seq_length), np.int32)
    features[0, 0, : len(ids)] = ids
    features[1, 0, : len(ids)] = 1
    return features


def to_batches(ids, frame, max_seq_length, batch_size):
    """Yields batches of about one length each, so that little is padding.

    Args:
      ids: list of lists of int, one of them a text.
      frame: (id of [CLS], id of [SEP]).
      max_seq_length: int, to which longer texts are cut, [CLS] and [SEP] among them.
      batch_size: int.
    Yields: (indices of the texts, [input_ids, input_mask, segment_ids], each int32 (batch, length)).
    """
    if not ids:
        return
    lengths = np.minimum([len(pieces) for pieces in ids], max_seq_length - 2)
    # The longest first: memory is reserved once, and the last to finish are short.
    order = np.argsort(-lengths, kind="stable")
    for chosen in np.split(order, range(batch_size, len(order), batch_size)):
        yield chosen, to_batch([ids[i] for i in chosen], lengths[chosen], frame)


def to_batch(ids, lengths, frame):
    """Frames ids with [CLS] and [SEP], cuts them to `lengths` and pads them to the longest.

    Args:
      ids: list of lists of int.
      lengths: array of int, how many of each to use.
      frame: (id of [CLS], id of [SEP]).
    Returns: list of input_ids, input_mask, segment_ids, each int32 (batch, length).
    """
    features = np.zeros((3, len(ids), lengths.max() + 2), np.int32)
    for row, mask, pieces, length in zip(*features[:2], ids, lengths):
        row[0], row[1 : length + 1], row[length + 1] = frame[0], pieces[:length], frame[1]
        mask[: length + 2] = 1
    return list(features)
