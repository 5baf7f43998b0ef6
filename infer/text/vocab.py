"""Reads and checks vocab.txt, one token a line. Standard library only, in every environment, on Python 3.7 as well."""

import sys

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

    Raises: SystemExit, with one line, if it is not UTF-8, has a blank line or a repeated token, or lacks the special
      tokens in the order of all of Google's vocabularies: [PAD] first, since texts are padded with id 0.
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
    if vocab["[PAD]"] or sorted(SPECIAL_TOKENS, key=vocab.get) != list(SPECIAL_TOKENS):
        sys.exit(f"{path}: not in a BERT vocabulary's order: {', '.join(SPECIAL_TOKENS)}, the first on line 1")
    return vocab
