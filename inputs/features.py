"""Reviews to features: train.jsonl and test.jsonl as ids, in TFRecord files that training reads as a stream.

Runs in the tf1 environment: `python -m inputs.features REVIEWS_DIR OUTPUT_DIR --vocab_file=vocab.txt`. The ids are
FullTokenizer's, by infer/text.py; SHARD reviews make a file, and every core makes files of its own.
"""

import argparse
import ctypes
import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from infer.text import load_tokenizer, read_casing, read_vocab, to_features
from inputs.reviews import check_example
from inputs.script import run

FEATURES = (
    "input_ids",
    "input_mask",
    "segment_ids",
    "label_ids",
)  # sorted, they are IteratorGetNext's ports 0, 1, 3, 2
SPLITS = ("train", "test")
SHARD = 10_000  # reviews
INDEX = "features.json"
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def digest(path):
    """Returns the SHA-256 of a file, in hexadecimal."""
    sha256 = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            sha256.update(block)
    return sha256.hexdigest()


def describe(vocab_file, do_lower_case, max_seq_length):
    """Returns what features depend on beside the reviews, as INDEX has it."""
    return {"max_seq_length": max_seq_length, "do_lower_case": do_lower_case, "vocab_sha256": digest(vocab_file)}


def read_features(data_dir, split, expected):
    """Returns (paths of the TFRecord files of a split in their order, number of reviews in them).

    Args:
      data_dir: the folder that main() made.
      split: "train" or "test".
      expected: describe() of the model that is to read them.
    Raises: SystemExit if they are not there, not whole, or of another vocabulary, casing or length.
    """
    path = os.path.join(data_dir, INDEX)
    try:
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
        files = {os.path.join(data_dir, name): sha256 for name, sha256 in index["files"][split].items()}
        described, count = {key: index[key] for key in expected}, int(index["reviews"][split])
    except FileNotFoundError:
        sys.exit(f"{path}: no such file: --data_dir must hold TFRecord files, as `make features` writes")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        sys.exit(f"{path}: not as `make features` writes it: make features again ({error!r})")
    for key, value in expected.items():
        if described[key] != value:
            sys.exit(f"{path}: made with {key} {described[key]}, not {value}: make features again, with these flags")
    for name, sha256 in files.items():
        if not os.path.isfile(name) or digest(name) != sha256:
            sys.exit(f"{name}: missing, or not as `make features` wrote it: make features again")
    return list(files), count


def input_fn_builder(files, max_seq_length, is_training, random_seed=0, share=(1, 0), skip=0):
    """Returns `input_fn` closure for TPUEstimator (upstream: bert.run_classifier.file_based_input_fn_builder).

    Upstream's fifth feature, is_real_example, would move segment_ids to another port of IteratorGetNext.

    Args:
      files: the paths of read_features.
      max_seq_length: int.
      is_training: in batches of a seeded order, again and again.
      random_seed: of the order.
      share: (number of workers, which of them this is). They share each batch of training, of "batch_size" in all;
        of evaluation they take whole batches in turn.
      skip: batches that were trained on before.
    """
    spec = {name: tf.io.FixedLenFeature([max_seq_length], tf.int64) for name in FEATURES[:3]}
    spec["label_ids"] = tf.io.FixedLenFeature([], tf.int64)

    def parse(records):
        examples = tf.io.parse_example(records, spec)
        return {name: tf.cast(values, tf.int32) for name, values in examples.items()}

    def input_fn(params):
        dataset = tf.data.TFRecordDataset(files)
        if is_training:
            dataset = dataset.repeat().shuffle(100, seed=random_seed).shard(*share)
            dataset = dataset.batch(params["batch_size"] // share[0]).skip(skip)
        else:
            dataset = dataset.batch(params["batch_size"]).shard(*share)
        return dataset.map(parse).prefetch(1)

    return input_fn


def find_shards(path):
    """Yields (offset of the first line, number of lines) of each SHARD lines of a file."""
    with open(str(path), "rb") as file:
        while True:
            offset = file.tell()
            lines = sum(1 for _ in itertools.islice(iter(file.readline, b""), SHARD))
            if not lines:
                return
            yield offset, lines


def start_worker(vocab_file, do_lower_case, max_seq_length):
    """Readies a process for write_shard."""
    global encode
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # or it would wait for ever on a parent that was killed
    vocab = read_vocab(vocab_file)
    frame, text_to_ids = (vocab["[CLS]"], vocab["[SEP]"]), load_tokenizer(vocab, do_lower_case)

    def encode(text):
        return to_features(text_to_ids([text])[0], frame, max_seq_length)[:, 0]


def write_shard(task):
    """Writes some lines of a file of examples as TFRecords.

    Args:
      task: (path of the file, number of the first line, its offset, number of lines, path to write).
    Returns: (number of lines, what is wrong with one of them or None).
    """
    path, first, offset, lines, output = task
    with open(path, "rb") as file, tf.io.TFRecordWriter(output) as writer:
        file.seek(offset)
        for number, line in enumerate(itertools.islice(file, lines), first):
            try:
                row = check_example(number, json.loads(line.decode("utf-8")))
            except (ValueError, RecursionError) as error:
                return lines, f"{path}: not a file of examples, as `make reviews` writes: {error}"
            values = [*encode(row["review"]).tolist(), [row["label"]]]
            feature = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                for name, value in zip(FEATURES, values)
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return lines, None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reviews_dir", type=Path, help="the folder of train.jsonl and test.jsonl")
    parser.add_argument("output_dir", type=Path, help="the folder to make: train-*.tfrecord, test-*.tfrecord, " + INDEX)
    parser.add_argument("--vocab_file", required=True, help="the vocabulary that the BERT model was trained on")
    parser.add_argument("--max_seq_length", type=int, default=128, help="in WordPieces, [CLS] and [SEP] among them")
    args = parser.parse_args()

    do_lower_case = read_casing(args.vocab_file)
    read_vocab(args.vocab_file)  # says what is wrong once, and not in every process
    index = dict(describe(args.vocab_file, do_lower_case, args.max_seq_length), reviews={}, files={})
    part = args.output_dir.with_name(args.output_dir.name + ".part")
    shutil.rmtree(str(part), ignore_errors=True)
    part.mkdir(parents=True)
    processes = len(os.sched_getaffinity(0))
    ready = (args.vocab_file, do_lower_case, args.max_seq_length)
    with ProcessPoolExecutor(processes, initializer=start_worker, initargs=ready) as pool:
        for split in SPLITS:
            path = args.reviews_dir / (split + ".jsonl")
            shards = list(find_shards(path))
            names = [f"{split}-{i:05}-of-{len(shards):05}.tfrecord" for i in range(len(shards))]
            tasks = [
                (str(path), i * SHARD + 1, offset, lines, str(part / name))
                for i, ((offset, lines), name) in enumerate(zip(shards, names))
            ]
            index["reviews"][split] = sum(lines for _, lines in shards)
            with tqdm(desc=split, unit="review", total=index["reviews"][split], disable=None) as bar:
                for lines, wrong in pool.map(write_shard, tasks):
                    if wrong:
                        sys.exit(wrong)
                    bar.update(lines)
            index["files"][split] = {name: digest(part / name) for name in names}
            print(f"{split}: {index['reviews'][split]} reviews from {path}, in files: {len(names)}")
    (part / INDEX).write_text(json.dumps(index, indent=2) + "\n")
    shutil.rmtree(str(args.output_dir), ignore_errors=True)
    part.rename(args.output_dir)


def run_or_say():
    """Calls main(); a process of it that was killed, as the kernel does for want of memory, ends it with one line."""
    try:
        main()
    except BrokenProcessPool:
        sys.exit("features: a process was killed: is there memory enough? Run it again to go on")


if __name__ == "__main__":
    run(run_or_say)
