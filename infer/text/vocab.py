"""Reads and checks vocab.txt, one token a line, and the tokenizer_config.json beside it, which tells its casing.

`python -m infer.text.vocab vocab.txt OUTPUT_DIR --do_lower_case=0` copies one, with the casing that the user knows.
Standard library only, in every environment, on Python 3.7 as well.
"""

import argparse
import json
import shutil
import sys
import unicodedata
from pathlib import Path

from infer.text.script import run

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
TOKENIZER_CONFIG = "tokenizer_config.json"
STRAY = 0.01  # of a vocabulary's tokens
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


def is_cased(vocab):
    """Tells whether a vocabulary has capital letters and accents, more than a stray few: lower-cased, these are [UNK].

    Special tokens, which are in brackets, do not count. Of Google's uncased ones no token has any.
    """
    pieces = [token for token in vocab if not (token.startswith("[") and token.endswith("]"))]
    changed = 0
    for token in pieces:
        letters = unicodedata.normalize("NFD", token.lower())
        changed += "".join(letter for letter in letters if unicodedata.category(letter) != "Mn") != token
    return changed > STRAY * len(pieces)


def read_tokenizer_config(vocab_file):
    """Returns the dict of the tokenizer_config.json beside a vocabulary, or None; exits if it can't be read."""
    path = Path(vocab_file).with_name(TOKENIZER_CONFIG)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise TypeError("not a JSON object")
        return config
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        sys.exit(f"{path}: cannot read do_lower_case from it: {error}")


def read_casing(vocab_file):
    """Returns do_lower_case, from the tokenizer_config.json beside a vocabulary, or else from the vocabulary itself.

    Of a vocabulary that is cased by itself it says so, on stderr. A tokenizer_config.json that says nothing means True,
    which is its default.
    Raises: SystemExit if that is no boolean, or asks for what upstream's FullTokenizer does not do.
    """
    config, path = read_tokenizer_config(vocab_file), Path(vocab_file).with_name(TOKENIZER_CONFIG)
    if config is None:
        cased = is_cased(read_vocab(vocab_file))
        if cased:
            print(f"{vocab_file}: a cased vocabulary: texts keep capitals and accents", file=sys.stderr)
        return not cased
    do_lower_case = config.get("do_lower_case", True)
    if not isinstance(do_lower_case, bool):
        sys.exit(f"{path}: cannot read do_lower_case from it: neither true nor false")
    # Hugging Face's names, with what FullTokenizer does; null is its default.
    done = {"strip_accents": do_lower_case, "tokenize_chinese_chars": True, "do_basic_tokenize": True}
    for name, value in done.items():
        if config.get(name) not in (None, value):
            asked = json.dumps(config[name])[:40]
            sys.exit(
                f"{path}: {name} is {asked}, and google-research/bert's tokenizer knows only {json.dumps(value)} here"
            )
    return do_lower_case


def read_max_length(folder):
    """Returns the longest sequence by a folder's tokenizer_config.json, in WordPieces, or None if that says nothing."""
    length = (read_tokenizer_config(Path(folder, "vocab.txt")) or {}).get("model_max_length")
    return length if type(length) is int and length < MAX_BYTES else None


def main():
    parser = argparse.ArgumentParser(description="Copies a vocabulary and writes tokenizer_config.json beside it.")
    parser.add_argument("vocab_file", help="the vocabulary")
    parser.add_argument("output_dir", type=Path, help="where to write")
    parser.add_argument("--do_lower_case", type=int, choices=(0, 1), required=True, help="1 if it is uncased, 0 if not")
    args = parser.parse_args()
    read_vocab(args.vocab_file)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(args.vocab_file, str(args.output_dir / "vocab.txt"))
    config = {"do_lower_case": bool(args.do_lower_case)}
    (args.output_dir / TOKENIZER_CONFIG).write_text(json.dumps(config) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
