"""Text to ids: Hugging Face's tokenizers, made to give the very ids of google-research/bert's FullTokenizer."""

import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import unicodedataplus
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MAX_INPUT_CHARS_PER_WORD = 200  # upstream's limit; Hugging Face's is 100

# Training ran on Python 3.7, which knows Unicode 11: a later character is unassigned there, so upstream drops it.
UNICODE_VERSION = 11.0
# The two characters of Unicode 11 whose category has changed since in a way that shows.
CATEGORY_IN_UNICODE_11 = {"\u166d": "Po", "\ua9bd": "Mc"}
CJK_EXTENSION_E = range(0x2B820, 0x2CEB0)  # tokenizers 0.23.3 misses its first 256


class Table(dict):
    """A str.translate table, filled from a function of a character as characters come up."""

    def __init__(self, function):
        self.function = function

    def __missing__(self, code_point):
        self[code_point] = self.function(chr(code_point))
        return self[code_point]


def category(char):
    """Returns the general category that Unicode 11 gives `char`: "Cn" to what came later."""
    if float(unicodedataplus.age(char).replace("Unassigned", "99")) > UNICODE_VERSION:
        return "Cn"
    return CATEGORY_IN_UNICODE_11.get(char) or unicodedata.category(char)


def clean(char):
    """Drops controls and what is unassigned, as BasicTokenizer._clean_text."""
    return char if char in "\t\n\r" or category(char)[0] != "C" else None


def clean_and_strip_accents(char):
    """Drops nonspacing marks too, as BasicTokenizer._run_strip_accents."""
    return None if category(char) == "Mn" else clean(char)


def split(char):
    """Sets punctuation apart, and CJK Extension E, as BasicTokenizer._run_split_on_punc."""
    return f" {char} " if category(char)[0] == "P" or ord(char) in CJK_EXTENSION_E else char


def read_vocab(path):
    """Reads vocab.txt, a token a line, as {token: id}.

    Raises: SystemExit if it can't be read or lacks a special token.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        sys.exit(f"{path}: cannot read the vocabulary: {error.strerror}")
    except UnicodeDecodeError:
        sys.exit(f"{path}: not UTF-8: not a BERT vocabulary")
    vocab = {token.strip(): i for i, token in enumerate(lines)}
    missing = [token for token in SPECIAL_TOKENS if token not in vocab]
    if missing:
        sys.exit(f"{path}: no {missing[0]} in it: not a BERT vocabulary")
    return vocab


def read_casing(vocab_file):
    """Returns do_lower_case of the tokenizer_config.json beside a vocabulary; without one, True.

    Raises: SystemExit if it is there and doesn't say.
    """
    path = Path(vocab_file).with_name("tokenizer_config.json")
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["do_lower_case"])
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path}: cannot read do_lower_case from it: {error!r}")


def load_tokenizer(vocab, do_lower_case=True):
    """Returns a function: list of texts to a list of their WordPiece ids, lists too, without special tokens.

    `vocab` is read_vocab's. The function's ids equal bert.tokenization.FullTokenizer's on Python 3.7, on any text.
    No special token is registered with the tokenizer, so a literal "[SEP]" in a review is three ordinary words, as
    upstream.
    """
    wordpiece = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=MAX_INPUT_CHARS_PER_WORD)
    tokenizer = Tokenizer(wordpiece)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=do_lower_case, strip_accents=do_lower_case)
    # `split` has set other punctuation apart already; BertPreTokenizer's own table is older.
    ascii_punctuation = Regex(r"[!-/:-@\[-`{-~]")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(ascii_punctuation, "isolated")]
    )
    cleaned = Table(clean_and_strip_accents if do_lower_case else clean)
    apart = Table(split)

    def prepare(text):
        if text.isascii():
            return text
        text = text.translate(cleaned)  # the Rust crates' Unicode tables are others than training's
        if do_lower_case:
            text = text.lower()  # Rust lowers letter by letter and misses the final sigma
        return text.translate(apart)

    def encode(texts):
        encodings = tokenizer.encode_batch_fast([prepare(text) for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    return encode


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
