"""Text to ids: exactly the ids of bert-tensorflow 1.0.1's FullTokenizer on Python 3.7, many times faster.

Its rules become tables of characters for str.translate; the ids of what stands between two spaces are cached; WordPiece
is Hugging Face's. Source of the rules: bert-tensorflow 1.0.1's tokenization.py. google-research/bert on GitHub has
another one since its commit d66a146 of 2019-03-28: it drops characters of the categories Cc and Cf alone, 1.0.1 those
of all C*, so also what Unicode 11 has not assigned, such as U+1FAE0: between two words it is nothing here, and [UNK]
there.
"""

import sys
import unicodedata

import numpy as np
import unicodedataplus
from tokenizers import models

from infer.text.vocab import read_casing, read_vocab

__all__ = ["load_tokenizer", "read_casing", "read_vocab", "to_batches", "to_features", "to_windows"]
WINDOW = 2048  # texts that are read, sorted by length and predicted before the first of them is answered
MAX_CHARACTERS = 1 << 24  # of these together: there may be a million in one
MAX_INPUT_CHARS_PER_WORD = 200  # upstream's limit; Hugging Face's is 100
MAX_CHUNKS, MAX_CHUNK = 200_000, 32  # how many are cached, and of how many characters at most: 70 to 150 MB
MAX_SPLIT = 1 << 14  # characters; a longer text is not split into chunks

# Training runs on Python 3.7 with Unicode 11, where bert-tensorflow drops every later character as unassigned.
UNICODE_VERSION = 11.0
# The only three characters of Unicode 11 whose category has since changed in a way that matters here.
CATEGORY_IN_UNICODE_11 = {"\u166d": "Po", "\u1734": "Mn", "\ua9bd": "Mc"}
CJK = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F))
CJK += ((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F))


class LazyTable(dict):
    """A dict that computes a missing value with a function, and keeps it."""

    def __init__(self, function):
        self.function = function

    def __missing__(self, key):
        self[key] = value = self.function(key)
        return value


class ChunkCache(LazyTable):
    """A LazyTable that keeps only chunks of up to MAX_CHUNK characters, and is emptied when it holds MAX_CHUNKS."""

    def __missing__(self, chunk):
        value = self.function(chunk)
        if len(chunk) <= MAX_CHUNK:
            if len(self) >= MAX_CHUNKS:
                self.clear()
            self[chunk] = value
        return value


def category(char):
    """Returns the general category of `char` in Unicode 11: "Cn" (unassigned) for later characters."""
    if float(unicodedataplus.age(char).replace("Unassigned", "99")) > UNICODE_VERSION:
        return "Cn"
    return CATEGORY_IN_UNICODE_11.get(char) or unicodedata.category(char)


def clean(code_point):
    """Drops control and unassigned characters and puts spaces around CJK, as BasicTokenizer does before lowercasing."""
    char = chr(code_point)
    if char not in "\t\n\r" and (category(char)[0] == "C" or char == "\ufffd"):
        return None
    return f" {char} " if any(first <= code_point <= last for first, last in CJK) else char


def strip_accents(code_point):
    """Drops nonspacing marks, as BasicTokenizer._run_strip_accents does."""
    return None if category(chr(code_point)) == "Mn" else code_point


def clean_and_split(code_point):
    """Both steps at once, for ASCII text, which has no accents to strip in between."""
    return clean(code_point) and split_punctuation(code_point)


def split_punctuation(code_point):
    """Puts spaces around punctuation, as BasicTokenizer._run_split_on_punc does: also around ASCII symbols."""
    char = chr(code_point)
    punctuation = category(char)[0] == "P" or (33 <= code_point < 127 and not char.isalnum())
    return f" {char} " if punctuation else char


def load_tokenizer(vocab, do_lower_case=True, max_words=sys.maxsize):
    """Returns a function that takes a list of texts and returns their WordPiece ids, a list for each.

    The ids equal those of bert-tensorflow 1.0.1's FullTokenizer on Python 3.7 for any text, special tokens left out. A
    literal "[SEP]" in a text is three ordinary words, as there.

    Args:
      vocab: {token: id}, from read_vocab.
      do_lower_case: bool.
      max_words: int; of a text, at least the ids of its first and its last so many words are returned. Those of words
        between them may be left out, but for as many as there are words in both.
    """
    wordpiece = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=MAX_INPUT_CHARS_PER_WORD)
    functions = clean, strip_accents, split_punctuation, clean_and_split
    cleaned, unaccented, split, cleaned_and_split = map(LazyTable, functions)

    def tokenize(text):
        if text.isascii():
            text = text.lower() if do_lower_case else text
            # WordPiece takes the longest match first: here the whole word.
            if text.isalnum() and text in vocab:
                return [vocab[text]]
            text = text.translate(cleaned_and_split)
        else:
            text = text.translate(cleaned)
            if do_lower_case:
                text = unicodedata.normalize("NFD", text.lower()).translate(unaccented)
            text = text.translate(split)
        words = text.split(None, max_words)
        if len(words) > max_words:
            words[max_words:] = words[max_words].rsplit(None, max_words)[-max_words:]
        ids = []
        for word in words:
            word = word[: MAX_INPUT_CHARS_PER_WORD + 1]  # a longer word is [UNK] all the same
            ids += [vocab[word]] if word in vocab else [piece.id for piece in wordpiece.tokenize(word)]
        return ids

    chunks = ChunkCache(tokenize)

    def encode(text):
        if len(text) > MAX_SPLIT:
            return tokenize(text)
        ids = []
        # No rule looks past a space, so each chunk can be tokenized, and cached, by itself.
        for chunk in text.split(" "):
            ids += chunks[chunk]
        return ids

    return lambda texts: [encode(text) for text in texts]


def to_features(ids, cls_sep_ids, max_seq_length):
    """Puts [CLS] before and [SEP] after the ids of a text, and truncates or pads them to `max_seq_length`.

    Args:
      ids: list of int.
      cls_sep_ids: (id of [CLS], id of [SEP]).
      max_seq_length: int.
    Returns: input_ids, input_mask, segment_ids, each int32 of shape (1, max_seq_length).
    Source: bert.run_classifier.convert_single_example.
    """
    cls, sep = cls_sep_ids
    ids = [cls, *ids[: max_seq_length - 2], sep]
    features = np.zeros((3, 1, max_seq_length), np.int32)
    features[0, 0, : len(ids)] = ids
    features[1, 0, : len(ids)] = 1
    return features


def to_windows(texts):
    """Yields lists of WINDOW texts of an iterable, to sort each by itself; of fewer once they have MAX_CHARACTERS.

    Raises: TypeError if `texts` is one str.
    """
    if isinstance(texts, str):
        raise TypeError("a str is no iterable of texts: put the one into a list")
    window, characters = [], 0
    for text in texts:
        window.append(text)
        characters += len(text) if isinstance(text, str) else 0  # what is none is refused where it is tokenized
        if len(window) == WINDOW or characters >= MAX_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def to_batches(ids, cls_sep_ids, max_seq_length, batch_size, multiple=1):
    """Yields batches of texts of similar length, so that there is little padding.

    Args:
      ids: list of lists of int, one for each text.
      cls_sep_ids: (id of [CLS], id of [SEP]).
      max_seq_length: int, to which longer texts are truncated, [CLS] and [SEP] included.
      batch_size: int.
      multiple: int, of which each length is one, if that is not above max_seq_length.
    Yields: (indices of the texts, [input_ids, input_mask, segment_ids], each int32 (batch, length)).
    """
    if not ids:
        return
    lengths = np.minimum([len(pieces) for pieces in ids], max_seq_length - 2)
    # The longest first: memory is allocated once, and the last batches to finish are short.
    order = np.argsort(-lengths, kind="stable")
    for chosen in np.split(order, range(batch_size, len(order), batch_size)):
        padded = min(-(-(lengths[chosen[0]] + 2) // multiple) * multiple, max_seq_length)
        yield chosen, to_batch([ids[i] for i in chosen], lengths[chosen], cls_sep_ids, padded)


def to_batch(ids, lengths, cls_sep_ids, padded):
    """Truncates each text's ids to its length, adds [CLS] and [SEP], and pads them.

    Args:
      ids: list of lists of int.
      lengths: array of int, how many ids of each text to keep.
      cls_sep_ids: (id of [CLS], id of [SEP]).
      padded: int, the length of each row.
    Returns: list of input_ids, input_mask, segment_ids, each int32 (batch, padded).
    """
    features = np.zeros((3, len(ids), padded), np.int32)
    for row, mask, pieces, length in zip(*features[:2], ids, lengths):
        row[0], row[1 : length + 1], row[length + 1] = cls_sep_ids[0], pieces[:length], cls_sep_ids[1]
        mask[: length + 2] = 1
    return list(features)
