"""Reads and checks vocab.txt, one token a line, and the tokenizer_config.json beside it, which tells its casing.

Standard library only, in every environment, on Python 3.7 as well.
"""

import json
import sys
from pathlib import Path

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MAX_BYTES = 1 << 24  # 17 times the multilingual vocabulary


def read_vocab(path):
    """Reads vocab.txt as {token: id}, the id being the line's number from 0.

    Raises: SystemExit, with one line, if it can't be read, or as parse_vocab does.
    """
    try:
        with open(path, "rb") as file:
            return parse_vocab(file.read(MAX_BYTES + 1), path)
    except OSError as error:
        sys.exit(f"{path}: cannot read the vocabulary: {error.strerror}")


def parse_vocab(data, path):
    """Returns {token: id} of the bytes of a vocab.txt. Source: bert.tokenization.load_vocab.

    A special token may be on any line: texts are padded with id 0, as upstream, whatever token that is.
    Raises: SystemExit, with one line, if it is not UTF-8, has a blank line, a repeated token or no special one.
    """
    if len(data) > MAX_BYTES:
        sys.exit(f"{path}: more than {MAX_BYTES} bytes: not a BERT vocabulary")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        sys.exit(f"{path}: not UTF-8: not a BERT vocabulary")
    vocab = {}
    for i, line in enumerate(lines if lines[-1] else lines[:-1]):
        token = line.strip() or line  # in some vocabularies a Unicode line separator is a token
        if not line.strip(" \t\r"):
            sys.exit(f"{path}: line {i + 1} is blank: not a complete BERT vocabulary")
        if token in vocab:
            sys.exit(f"{path}: line {i + 1} repeats line {vocab[token] + 1}: not a complete BERT vocabulary")
        vocab[token] = i
    for token in SPECIAL_TOKENS:
        if token not in vocab:
            sys.exit(f"{path}: no {token} in it: not a BERT vocabulary")
    return vocab


def check_size(vocab, vocab_size):
    """Raises ValueError if a vocabulary has more tokens than a model has embeddings; it may have fewer, as upstream."""
    if len(vocab) > vocab_size:
        raise ValueError(f"{len(vocab)} tokens, but {vocab_size} embeddings: they belong to different models")


def read_casing(vocab_file):
    """Returns do_lower_case from the tokenizer_config.json beside a vocabulary; True, its default, if it says nothing.

    Raises: SystemExit if that is no boolean, or asks for what upstream's FullTokenizer does not do.
    """
    path = Path(vocab_file).with_name("tokenizer_config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        do_lower_case = config.get("do_lower_case", True)
        if not isinstance(do_lower_case, bool):
            raise TypeError("neither true nor false")
    except FileNotFoundError:
        return True
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        sys.exit(f"{path}: cannot read do_lower_case from it: {error!r}")
    # Hugging Face's names, with what FullTokenizer does; null is its default.
    done = {"strip_accents": do_lower_case, "tokenize_chinese_chars": True, "do_basic_tokenize": True}
    for name, value in done.items():
        if config.get(name) not in (None, value):
            asked = json.dumps(config[name])[:40]
            sys.exit(
                f"{path}: {name} is {asked}, and google-research/bert's tokenizer knows only {json.dumps(value)} here"
            )
    return do_lower_case
