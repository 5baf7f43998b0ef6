"""Whatever the bytes are, our parsers answer or end with one line, and an answer is what it should be."""

import json
import os
import re
import tarfile
import zipfile

import numpy as np
import provenance
import pytest
from encoder import VOCAB
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infer.graph import read_length
from infer.head import read_npy
from infer.ports import MAX_LENGTH
from infer.text.bert_config import SIZES, parse_bert_config, variable_shapes
from infer.text.examples import read_examples, read_lines
from infer.text.tokenizer import load_tokenizer
from infer.text.vocab import SPECIAL_TOKENS, parse_vocab
from inputs.archive import BadArchive, open_zip, read_files, read_member
from inputs.reviews import ACLIMDB_FILE

settings.register_profile("ours", deadline=None, derandomize=True)
settings.load_profile("ours")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
BYTES = st.binary(max_size=400) | st.text(max_size=200).map(str.encode)


def answer_or_line(read, *arguments):
    """Returns what `read` does, or None if it ends with one line."""
    try:
        return read(*arguments)
    except SystemExit as end:
        assert isinstance(end.code, str) and end.code and "\n" not in end.code
        return None


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A path that a test may write to, again and again."""
    return tmp_path_factory.mktemp("fuzz") / "input"


TOKEN = st.sampled_from(VOCAB) | st.text(max_size=4)


@given(st.lists(TOKEN, max_size=9).map(lambda tokens: "\n".join([*SPECIAL_TOKENS, *tokens]).encode()) | BYTES)
@example("\n".join([*SPECIAL_TOKENS, "##", "\u2028", "\ufeff", "a b"]).encode())
def test_a_vocabulary_that_is_read_can_be_used(data):
    vocab = answer_or_line(parse_vocab, data, "vocab.txt")
    if vocab is not None:
        assert list(vocab.values()) == list(range(len(vocab))) and vocab["[PAD]"] == 0
        for ids in load_tokenizer(vocab)(["a film[PAD] of \u2028 beauty", " ".join(vocab), ""]):
            assert all(0 <= i < len(vocab) for i in ids)


SIZED = st.fixed_dictionaries({name: st.integers(-1, 2**40) | st.integers(1, 64) | JSON for name in SIZES})


@given((SIZED | JSON).map(lambda value: json.dumps(value).encode()) | BYTES)
def test_a_configuration_that_is_read_can_be_built(data):
    config = answer_or_line(parse_bert_config, data, "config.json")
    if config is not None:
        assert sum(int(np.prod(shape)) for shape in variable_shapes(config).values()) <= 500_000_000
        assert config["hidden_size"] % config["num_attention_heads"] == 0


@given(st.text(alphabet="{}[]()',:<>f48i|O shapedcrtnoFulTre-0123456789 ", max_size=110), st.binary(max_size=40))
def test_a_head_that_is_read_is_an_array(path, header, data):
    path.write_bytes(b"\x93NUMPY\1\0" + bytes([len(header) + 1, 0]) + header.encode() + b"\n" + data)
    try:
        assert read_npy(path).nbytes <= len(data)
    except Exception as error:
        assert not isinstance(error, MemoryError)


@given(BYTES)
def test_a_graph_is_read_or_refused(path, data):
    path.write_bytes(data)
    length = answer_or_line(read_length, path)
    assert length is None or 3 <= length <= MAX_LENGTH


@given(st.lists(st.fixed_dictionaries({"review": st.text() | JSON, "label": st.integers(-1, 2) | JSON}) | JSON))
def test_examples_that_are_read_are_examples(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in answer_or_line(read_examples, path) or []:
        assert isinstance(row["review"], str) and row["label"] in (0, 1)


@given(BYTES)
def test_reviews_are_read_line_by_line(path, data):
    path.write_bytes(data)
    lines = answer_or_line(read_lines, path)
    if lines is not None:
        assert "\n".join(lines).encode() == data.removesuffix(b"\n") and (lines or not data)


PATHS = st.dictionaries(st.text(max_size=9) | st.sampled_from(["film", "/dev/zero", "../film"]), JSON) | JSON


@given(st.fixed_dictionaries({"stage": st.just("film") | JSON, "inputs": PATHS, "outputs": PATHS}), st.booleans())
def test_a_record_that_is_read_names_files(path, record, sealed):
    record["sha256"] = provenance.seal(record) if sealed else ""
    path.write_text(json.dumps(record))
    found, wrong = provenance.read_record(path)
    assert (found is None) == bool(wrong)
    if found:
        named = [*found["inputs"], *found["outputs"]]
        assert set(provenance.digests([os.path.join(provenance.CHECKOUT, name) for name in named])) == set(named)


@given(BYTES)
def test_any_bytes_are_a_record_or_not(path, data):
    path.write_bytes(data)
    found, wrong = provenance.read_record(path)
    assert found is None and wrong.startswith(f"{path}: ")
    provenance.restore(str(path), data.decode("utf-8", "surrogateescape"))
    assert path.read_bytes() == data


@st.composite
def spoilt(draw, whole):
    """Draws the bytes of a file with some overwritten, and cut somewhere."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The bytes of a good zip, and of a good tar."""
    folder = tmp_path_factory.mktemp("archives")
    (folder / "1_9.txt").write_text("good " * 50)
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "1_9.txt", "1_9.txt")
    with tarfile.open(folder / "tar", "w") as archive:
        for polarity in ("pos", "neg"):
            archive.add(folder / "1_9.txt", f"train/{polarity}/1_9.txt")
    return (folder / "zip").read_bytes(), (folder / "tar").read_bytes()


@settings(max_examples=400)
@given(st.data())
def test_a_spoilt_zip_gives_the_member_or_is_refused(archives, path, data):
    path.write_bytes(data.draw(spoilt(archives[0])))
    try:
        with open_zip(path) as archive:
            assert read_member(archive, "1_9.txt", 1000) == b"good " * 50
    except BadArchive as error:
        assert "\n" not in str(error)


@settings(max_examples=400)
@given(st.data())
def test_a_spoilt_tar_gives_files_or_is_refused(archives, path, data):
    path.write_bytes(data.draw(spoilt(archives[1])))
    try:
        for names, found in read_files(path, ACLIMDB_FILE, 1000):
            assert re.fullmatch(r"train|test", names[0]) and len(found) <= 1000
    except BadArchive as error:
        assert "\n" not in str(error)
