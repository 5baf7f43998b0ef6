"""TFRecord files of features: upstream's ids, every review once, and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from modules import run
from training import REVIEWS, ROOT, fails, write_examples, write_features
from waiting import LONG

import run_classifier
from infer.text.tokenizer import load_tokenizer, read_vocab, to_features
from tf1 import features
from tf1.input_fn import FEATURES, feature_settings, input_fn_builder, read_features

pytestmark = pytest.mark.process
LENGTH = 16
HARD = [
    "Ça, c'était déjà vu: ΟΔΟΣ",
    "这部电影很好看",
    "👍🏽 🎬\u200d\ufeff",
    "a" * 300,
    "[SEP] [MASK]",
    "",
    "word " * 40,
    "\u2028",
]


@pytest.fixture
def made(tiny, tmp_path, monkeypatch):
    """Features of 23 reviews, some of them hard, 5 to a file."""
    rows = [(text, i % 2) for i, text in enumerate(HARD + [f"film number {i}" for i in range(15)])]
    write_examples(tmp_path, train=rows, test=rows[:7])
    monkeypatch.setattr(features, "SHARD", 5)
    argv = ["features", str(tmp_path), str(tmp_path / "features"), f"--vocab_file={tiny}/vocab.txt"]
    monkeypatch.setattr("sys.argv", [*argv, f"--max_seq_length={LENGTH}"])
    features.main()
    return rows, str(tmp_path / "features"), feature_settings(tiny + "/vocab.txt", True, LENGTH)


def batches(input_fn, batch_size):
    """Returns the batches of an input_fn, each a dict of arrays in the order of IteratorGetNext's ports."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        dataset = input_fn({"batch_size": batch_size})
        batch = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        assert {name: tensor.op.name + tensor.name[-2:] for name, tensor in batch.items()} == {
            name: f"IteratorGetNext:{port}" for port, name in enumerate(sorted(FEATURES))
        }
        found = []
        while True:
            try:
                found.append(session.run(batch))
            except tf.errors.OutOfRangeError:
                return found


def join(found):
    """Returns int32 (reviews, 3 * LENGTH + 1) of batches: all features of a review in a row."""
    rows = [[batch[name].reshape(len(batch["label_ids"]), -1) for name in FEATURES] for batch in found]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def test_they_are_upstreams_in_the_order_of_the_reviews(made, tiny):
    rows, folder, expected = made
    files, count = read_features(folder, "train", expected)
    assert (len(files), count) == (5, 23)
    found = batches(input_fn_builder(files, LENGTH, is_training=False), 4)
    assert all(batch[name].dtype == np.int32 for batch in found for name in FEATURES)
    run_classifier.FLAGS(["run_classifier.py", f"--max_seq_length={LENGTH}"])
    wanted = run_classifier.to_features(rows, tiny + "/vocab.txt", True)
    lists = [one.input_ids + one.input_mask + one.segment_ids + [one.label_id] for one in wanted]
    np.testing.assert_array_equal(join(found), lists)


def test_they_are_the_same_bytes_each_time(made):
    """Protocol buffers write the entries of a map in an order that differs, unless they are told not to."""
    index = os.path.join(made[1], "features.json")  # with the SHA-256 of each file
    with open(index) as file:
        before = json.load(file)
    features.main()
    with open(index) as file:
        assert json.load(file) == before and len(before["files"]["train"]) == 5


def test_what_is_cut_is_said(capsys, made, tiny):
    printed = capsys.readouterr().out
    lengths = [len(ids) for ids in load_tokenizer(read_vocab(tiny + "/vocab.txt"))([text for text, _ in made[0]])]
    assert sum(length > LENGTH - 2 for length in lengths) == 1
    lost = sum(max(length - LENGTH + 2, 0) for length in lengths) / sum(lengths)
    line = "train: 1 of 23 texts is longer than the 14 WordPieces that the model reads"
    assert f"{line}; not read: {lost:.1%} of all WordPieces\n" in printed


@pytest.mark.parametrize("change", [lambda tokens: tokens[::-1], lambda tokens: tokens[5:] + tokens[:5]])
def test_they_are_upstreams_wherever_the_special_tokens_are(change, tiny, tmp_path):
    tokens = "[PAD] [unused1] [UNK] [CLS] [SEP] film number de ##ja vu word [ ] 1".split()
    (tmp_path / "vocab.txt").write_text("\n".join(change(tokens)))
    run_classifier.FLAGS(["run_classifier.py", f"--max_seq_length={LENGTH}"])
    wanted = run_classifier.to_features([(text, 0) for text in HARD], str(tmp_path / "vocab.txt"), True)
    vocab = read_vocab(str(tmp_path / "vocab.txt"))
    for ids, one in zip(load_tokenizer(vocab)(HARD), wanted):
        found = to_features(ids, (vocab["[CLS]"], vocab["[SEP]"]), LENGTH)
        np.testing.assert_array_equal(found[:, 0], [one.input_ids, one.input_mask, one.segment_ids])


def flags(pretrained, data_dir, output_dir):
    files = [f"--vocab_file={pretrained}/vocab.txt", f"--bert_config_file={pretrained}/bert_config.json"]
    numbers = [f"--max_seq_length={LENGTH}", "--train_batch_size=4"]
    return ["--do_train=true", f"--data_dir={data_dir}", f"--output_dir={output_dir}", *files, *numbers]


@pytest.mark.more
def test_the_graph_does_not_grow_with_the_reviews(tiny, data_dir, tmp_path):
    write_examples(tmp_path, train=400 * REVIEWS, test=REVIEWS)
    sizes = []
    for folder, epochs in ((data_dir, 1), (write_features(tmp_path, tiny), 0.002)):
        output_dir = tmp_path / str(epochs)
        done = run("run_classifier.py", *flags(tiny, folder, output_dir), f"--num_train_epochs={epochs}")
        assert done.returncode == 0, done.stderr
        sizes.append(os.stat(str(next(output_dir.glob("*.meta")))).st_size)
    assert abs(sizes[1] - sizes[0]) < 1000, sizes


def spoil(name, change):
    """Returns a function that changes a file's bytes in a folder."""

    def spoil_in(folder):
        with open(os.path.join(folder, name), "rb") as file:
            data = bytearray(file.read())
        with open(os.path.join(folder, name), "wb") as file:
            file.write(change(data))

    return spoil_in


def flip(data):
    data[len(data) // 2] ^= 255
    return data


SHARD = "train-00000-of-00001.tfrecord"


@pytest.mark.parametrize(
    "change, more, message",
    [
        (spoil(SHARD, lambda data: data[:-5]), [], SHARD + ": missing, or not as `make features` wrote it"),
        (lambda folder: os.remove(os.path.join(folder, SHARD)), [], SHARD + ": missing, or not as"),
        (spoil(SHARD, flip), [], SHARD + ": missing, or not as"),
        (spoil("features.json", lambda data: data[:-9]), [], "not as `make features` writes it"),
        (spoil("features.json", lambda data: b"[]"), [], "not as `make features` writes it"),
        (lambda folder: None, ["--max_seq_length=24"], "made with max_seq_length 16, not 24"),
        (lambda folder: None, ["--do_lower_case=false"], "made with do_lower_case True, not False"),
        (
            spoil("features.json", lambda data: bytes(data).replace(b'vocab_sha256": "', b'vocab_sha256": "0')),
            [],
            "made with vocab_sha256 0",
        ),
    ],
)
def test_what_are_no_whole_features_of_this_model_is_one_clear_line(change, more, message, tiny, data_dir, tmp_path):
    folder = shutil.copytree(data_dir, str(tmp_path / "features"))
    change(folder)
    assert message in fails("run_classifier.py", *flags(tiny, folder, tmp_path / "out"), *more)
    assert not list(tmp_path.glob("out/eval_results.txt"))


@pytest.mark.parametrize(
    "line", ['{"review": "fine", "label": 2}', '{"review": 1, "label": 1}', "fine", '{"review": "a\udc80", "label": 1}']
)
def test_a_line_that_is_no_example_leaves_older_features(line, tiny, tmp_path):
    write_examples(tmp_path, train=REVIEWS, test=REVIEWS)
    folder = write_features(tmp_path, tiny)
    with open(str(tmp_path / "test.jsonl"), "ab") as file:
        file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    command = ["-m", "tf1.features", str(tmp_path), folder, f"--vocab_file={tiny}/vocab.txt"]
    message = fails(*command)
    assert "test.jsonl: not a file of examples, as `make reviews` writes: " in message
    with open(os.path.join(folder, "features.json")) as file:
        assert json.load(file)["max_seq_length"] == LENGTH


def test_a_line_that_is_no_example_is_named_by_its_number_in_the_file(tiny, tmp_path, monkeypatch):
    """It is in the third of the shards, which processes read from where it begins."""
    rows = [("good", 1)] * 7
    write_examples(tmp_path, train=[*rows, ("good", 2), *rows], test=rows)
    monkeypatch.setattr(features, "SHARD", 3)
    argv = ["features", str(tmp_path), str(tmp_path / "features"), f"--vocab_file={tiny}/vocab.txt"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit, match="train.jsonl: not a file of examples, .*: line 8 has no label$"):
        features.main()
    assert not (tmp_path / "features").exists()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


@pytest.mark.parametrize("killed", ["a process", "their parent"])
def test_of_processes_that_are_killed_none_waits_for_ever(killed, tiny, tmp_path):
    """As the kernel kills for want of memory: the parent says so in one line, and its processes end with it."""
    write_examples(tmp_path, train=20_000 * REVIEWS, test=REVIEWS)
    command = ["-m", "tf1.features", str(tmp_path), str(tmp_path / "features"), f"--vocab_file={tiny}/vocab.txt"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
    )
    while not list(tmp_path.glob("features.part/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    workers = children(process.pid)
    os.kill(workers[0] if killed == "a process" else process.pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=LONG)  # which ends when none is left that could write to it
    if killed == "a process":
        assert process.returncode == 1
        assert stderr == "features: a process was killed, perhaps for lack of memory: run it again\n"
    assert not (tmp_path / "features").exists()
