"""Puts the tokenizer into a classifier: python -m infer.in_graph classifier.xml string/classifier.xml

What it writes takes texts, a 1-D string tensor of UTF-8, and gives the classifier's probabilities. It is of OpenVINO's
operations and those of openvino-tokenizers, so whatever runs it has to load that extension first. Its ids are those of
infer/text/tokenizer.py, whose rules become tables here, so that no other version of Unicode has a say, and are compared
with them, on every code point and on random texts, before anything is written. Runs in the openvino-current
environment.
"""

import argparse
import functools
import importlib.util
import json
import random
import sys
import unicodedata
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset15 as op
from openvino.utils.node_factory import NodeFactory

from infer.charsmap import compile_charsmap
from infer.classifier import Classifier
from infer.ir import FP32, INFO, TEMPERATURE, read_info, read_model, reason, save_model, temperature_of
from infer.precision import read_probes
from infer.text.script import run
from infer.text.tokenizer import (
    MAX_INPUT_CHARS_PER_WORD,
    LazyTable,
    clean,
    load_tokenizer,
    split_punctuation,
    strip_accents,
)

POINTS = [*range(0xD800), *range(0xE000, 0x110000)]  # without surrogates, which UTF-8 does not have
RANDOM_TEXTS = 20_000
BATCH = 64
UNCUT = 1 << 24  # WordPieces, in place of max_seq_length: more than any text of the check has
TOLERANCE = 1e-5  # in probability, from Classifier's


@functools.cache  # the library must not be unloaded while there is a graph of its operations
def extension():
    """Returns (path of openvino-tokenizers' library, NodeFactory that makes its operations).

    Raises: SystemExit if it is not there, or is for another version of OpenVINO.
    """
    found = importlib.util.find_spec("openvino_tokenizers")
    if not found:
        sys.exit("openvino-tokenizers is not installed: install the version of it that is for this OpenVINO")
    path = next(Path(found.origin).parent.glob("lib/*openvino_tokenizers.*"))
    factory = NodeFactory()
    try:
        factory.add_extension(str(path))
    except RuntimeError as error:
        sys.exit(f"{path}: not for OpenVINO {ov.__version__}: {reason(error)}")
    return path, factory


def tokenizers_core():
    """Returns an ov.Core that knows openvino-tokenizers' operations."""
    core = ov.Core()
    core.add_extension(str(extension()[0]))
    return core


@functools.cache
def cleaned():
    """Returns {character: what BasicTokenizer's first step makes of it, "" if nothing}, of every code point."""
    return {chr(point): clean(point) or "" for point in POINTS}


@functools.cache
def charsmaps(do_lower_case):
    """Returns two tables as compile_charsmap's bytes: cleaned(), and what the steps after it make of what is left.

    The second ends in characters between which words end by a space and nothing else. Where the text was not UTF-8, the
    first puts U+FFFD, which the second drops: as if the bytes had been decoded with errors="replace".
    """
    unaccented = LazyTable(strip_accents)

    def rest(char):
        if do_lower_case:
            char = unicodedata.normalize("NFD", char.lower()).translate(unaccented)
        return "".join(" " if part.isspace() else split_punctuation(ord(part)) for part in char)

    left = {char: rest(char) for char, kept in cleaned().items() if kept}
    return compile_charsmap(cleaned()), compile_charsmap(left | {"\ufffd": ""})


def character_class(chars):
    """Returns a class of a regular expression, as PCRE2 has it, of some characters."""
    ranges = []
    for point in sorted(map(ord, chars)):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges) + "]"


def final_sigma():
    """Returns the regular expression of a capital sigma that str.lower makes a final one: at the end of a word.

    It is the one letter that becomes another by what stands beside it. Source: Unicode's SpecialCasing, Final_Sigma;
    which characters are cased, or ignored, is asked of str.lower itself.
    """
    kept = [char for char, left in cleaned().items() if left]
    cased = [char for char in kept if f"{char}Σ".lower().endswith("ς")]
    before = {*cased}
    ignored = [char for char in kept if char not in before and f"A{char}Σ".lower().endswith("ς")]
    cased, ignored = character_class(cased), character_class([*ignored, "\ufffd"])  # which the second charsmap drops
    return rf"{cased}{ignored}*+\KΣ(?!{ignored}*+{cased})"


def check_order(vocab):
    """Raises ValueError if lower-casing may give other ids in the graph than by infer/text/tokenizer.py.

    NFD puts combining marks in order. Those that are then dropped may stand in any, and of the others none has another
    class than its neighbours but for 20 in all of Unicode 11, which stay as they are written. That shows where a
    vocabulary has two of different classes: a word with one that it has not is [UNK] in either order.
    """
    marks = {}
    for char in sorted({char for token in vocab for char in token}):
        if unicodedata.combining(char) and clean(ord(char)) and strip_accents(ord(char)):
            marks.setdefault(unicodedata.combining(char), char)
    if len(marks) > 1:
        one, other = [f"U+{ord(char):04X}" for char in marks.values()][:2]
        raise ValueError(f"{one} and {other} are in its vocab, whose order NFD may change, as the graph can't")


def constant(value, dtype=np.int32):
    return op.constant(np.array(value, dtype)).output(0)


def characters(text):
    return op.constant(np.frombuffer(text.encode(), np.uint8)).output(0)


def build_tokenizer(vocab, do_lower_case, max_seq_length):
    """Returns the ov.Model from texts, string (batch,), to input_ids and input_mask, int32 (batch, longest of them).

    Args:
      vocab: {token: id}.
      do_lower_case: bool.
      max_seq_length: int, to which longer texts are cut, [CLS] and [SEP] among them.
    Raises: ValueError as check_order; SystemExit as extension.
    """
    if do_lower_case:
        check_order(vocab)

    def node(name, inputs, **attributes):
        return extension()[1].create(name, inputs, attributes).outputs()

    def replace(strings, pattern, replacement, everywhere=True):
        inputs = [*strings, characters(pattern), characters(replacement)]
        return node("RegexNormalization", inputs, global_replace=everywhere)

    def translate(strings, charsmap):
        inputs = [*strings, op.constant(np.frombuffer(charsmap, np.uint8)).output(0)]
        return node("CharsMapNormalization", inputs, remove_extra_whitespaces=False)

    texts = op.parameter([-1], ov.Type.string, name="texts")
    texts.output(0).set_names({"texts"})
    first, second = charsmaps(do_lower_case)
    strings = translate(op.string_tensor_unpack(texts).outputs(), first)
    strings = replace(strings, r"\A", " ", everywhere=False)  # RegexSplit loses rows if there is no character at all
    if do_lower_case:
        strings = replace(strings, final_sigma(), "ς")
    strings = translate(strings, second)
    # WordpieceTokenizer counts bytes, not characters.
    strings = replace(strings, f"(?<![^ ])[^ ]{{{MAX_INPUT_CHARS_PER_WORD + 1},}}+", "[UNK]")
    rows = op.range(constant(0), op.squeeze(op.shape_of(strings[0], "i32"), constant([0])), constant(1), "i32")
    words = [rows.output(0), op.add(rows, constant(1)).output(0), *strings, characters(" +")]
    words = node("RegexSplit", words, behaviour="remove")
    tokens = [token.encode() for token in vocab]
    ends = np.cumsum([*map(len, tokens)])
    pieces = [constant([0, *ends[:-1]]), constant(ends), constant([*b"".join(tokens)], np.uint8)]
    pieces = [*words, *pieces, constant(vocab["[UNK]"])]
    ids = node("WordpieceTokenizer", pieces, suffix_indicator="##", max_bytes_per_word=np.iinfo(np.int32).max)
    ids = node("Truncate", [*ids, constant(max_seq_length - 2), characters("right"), characters("longest_first")])
    cls, sep = ([constant(0), constant(1), constant([vocab[token]])] for token in ("[CLS]", "[SEP]"))
    begins, ends, ids, *_ = node("CombineSegments", [*cls, *ids, *sep, constant([0, 0, 0])])
    longest = op.reduce_max(op.subtract(ends, begins), constant(0)).output(0)
    input_ids, mask = node("RaggedToDense", [begins, ends, ids, longest, constant(0)], pad_max_length=False)
    return ov.Model([input_ids, op.convert(mask, "i32").output(0)], [texts], "bert-tokenizer")


def put_before(tokenizer, classifier):
    """Returns the ov.Model of both, from texts to probabilities; neither can be used by itself after it."""
    input_ids, input_mask = (result.input_value(0) for result in tokenizer.get_results())
    segment_ids = op.multiply(input_mask, constant(0)).output(0)
    features = {"input_ids": input_ids, "input_mask": input_mask, "segment_ids": segment_ids}
    for name, feature in features.items():
        for reader in classifier.input(name).get_target_inputs():
            reader.replace_source_output(feature)
    return ov.Model(classifier.get_results(), tokenizer.get_parameters(), "bert-text-classifier")


def code_points(vocab, every=1):
    """Returns texts of code points, each once alone and once inside a word, some hundreds of both a text."""
    word = next((token for token in vocab if token.isalnum() and len(token) > 3), "film")
    words = [form.format(chr(point)) for form in ("{}", f"{word[:-1]}{{}}{word[-1]}") for point in POINTS[::every]]
    return [" ".join(words[i : i + 512]) for i in range(0, len(words), 512)]


def random_texts(vocab, count, seed=0):
    """Returns texts of the vocabulary's words and of what is rare, in any order and with or without spaces."""
    draw = random.Random(seed)
    words = [token.removeprefix("##") for token in vocab]
    kinds = (
        lambda: draw.choice(words),
        lambda: draw.choice(words).capitalize(),
        lambda: draw.choice(words).upper(),
        lambda: draw.choice(".,!?-'\"[]#<>/$+`«»—…·’"),
        lambda: draw.choice("影映화ね丽\U0002b820ｶﾞ"),
        lambda: draw.choice("éÀñǅİıẞßœÅøΑάΣΣσςЙё"),
        lambda: draw.choice("\u0300\u0301\u0308\u0323\u0345\u200d\u00ad\u02b0"),
        lambda: draw.choice("\0\x01\x0b\x1c\x85\ufeff\ufffd\ue000\U0001fae0"),
        lambda: draw.choice("\t\n\r\u00a0\u2003\u2028\u3000"),
        lambda: chr(draw.choice(POINTS)),
        lambda: draw.choice("aéΣ影") * draw.choice((1, 99, 100, 199, 200, 201, 300)),
    )
    weights = [9, 2, 1, 4, 1, 3, 2, 1, 1, 2, 0.1]
    return [
        "".join(kind() + draw.choice(("", "", " ")) for kind in draw.choices(kinds, weights, k=draw.randrange(40)))
        for _ in range(count)
    ]


def find_different(tokenizer, vocab, do_lower_case, max_seq_length, texts):
    """Returns those of a list of texts whose ids or mask by build_tokenizer's ov.Model are not as they should be.

    They should be infer/text/tokenizer.py's, cut to max_seq_length, between [CLS] and [SEP], and padded to the longest
    of a batch.
    """
    compiled, encode = tokenizers_core().compile_model(tokenizer, "CPU"), load_tokenizer(vocab, do_lower_case)
    cls, sep, different = vocab["[CLS]"], vocab["[SEP]"], []
    for i in range(0, len(texts), BATCH):
        batch = texts[i : i + BATCH]
        wanted = [[cls, *ids[: max_seq_length - 2], sep] for ids in encode(batch)]
        longest = max(map(len, wanted))
        input_ids, input_mask = (array.tolist() for array in compiled({"texts": batch}).values())
        if len(input_ids) != len(batch):
            different += batch
            continue
        for text, ids, row, mask in zip(batch, wanted, input_ids, input_mask, strict=True):
            padding = [0] * (longest - len(ids))
            if row != ids + padding or mask != [1] * len(ids) + padding:
                different.append(text)
    return different


def check_ids(model, info, texts):
    """Raises ValueError if the ids of some of the texts are others in the graph than by infer/text/tokenizer.py.

    Args:
      model: path of the classifier, for the message.
      info: (vocab: {token: id}, do_lower_case, max_seq_length). Compared are all ids of a text, and then, of random
        ones, those that are left once it is cut.
    """
    vocab, do_lower_case, max_seq_length = info
    for length, some in ((UNCUT, texts), (max_seq_length, texts[-RANDOM_TEXTS // 10 :])):
        try:
            tokenizer = build_tokenizer(vocab, do_lower_case, length)
        except ValueError as error:
            raise ValueError(f"{model}: {error}: use the classifier without TOKENIZER=1") from error
        different = find_different(tokenizer, vocab, do_lower_case, length, some)
        if different:
            first, *_ = find_different(tokenizer, vocab, do_lower_case, length, different[0].split(" ")) or different
            raise ValueError(
                f"{model}: the graph has other ids than FullTokenizer for {len(different)} of {len(some)} texts, first "
                f"of {first[:100]!a}: use the classifier without TOKENIZER=1"
            )


def largest_difference(path, texts, expected):
    """Returns the largest difference in probability of the IR at `path`, on a list of texts, from what is expected."""
    compiled = tokenizers_core().compile_model(path, "CPU", FP32)
    got = [compiled({"texts": texts[i : i + BATCH]})[0] for i in range(0, len(texts), BATCH)]
    return np.abs(np.concatenate(got) - expected).max()


def main():
    parser = argparse.ArgumentParser(prog="python -m infer.in_graph", description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="the classifier in FP32, classifier.xml")
    parser.add_argument("output", type=Path, help="the IR to write, .xml; its .bin lands beside it")
    args = parser.parse_args()
    if args.output.suffix != ".xml" or args.output.resolve() == args.model.resolve():
        parser.error(f"{args.output}: an IR's name ends with .xml, and is not that of the model itself")
    try:
        classifier = Classifier(args.model)
        info, (tokens, labels, do_lower_case, max_seq_length) = read_info(args.model)
        network = read_model(ov.Core(), args.model, len(labels))
        vocab = {token: i for i, token in enumerate(tokens)}
        drawn = random_texts(vocab, RANDOM_TEXTS)
        check_ids(args.model, (vocab, do_lower_case, max_seq_length), code_points(vocab) + drawn)
        texts = read_probes(info, len(labels))[0] + drawn[:BATCH]
        expected = classifier.predict_window(texts)
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(str(error))
    temperature = temperature_of(info)
    whole = put_before(build_tokenizer(vocab, do_lower_case, max_seq_length), network)
    whole.set_rt_info(json.dumps(labels), [INFO, "labels"])
    whole.set_rt_info(json.dumps(max_seq_length), [INFO, "max_seq_length"])
    if temperature:
        whole.set_rt_info(json.dumps(temperature), [INFO, TEMPERATURE])
    save_model(whole, args.output)
    difference = largest_difference(args.output, texts, expected)
    if not difference <= TOLERANCE:
        for suffix in (".xml", ".bin"):
            args.output.with_suffix(suffix).unlink()
        sys.exit(f"{args.model}: with the tokenizer in the graph, probabilities differ by {difference:.2g}")
    print(
        f"{args.model}: the graph's ids are FullTokenizer's on {len(POINTS)} code points and {RANDOM_TEXTS} random "
        f"texts, and its probabilities differ by {difference:.2g} at most"
    )


if __name__ == "__main__":
    run(main)
