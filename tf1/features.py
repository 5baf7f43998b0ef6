"""Reviews to features: turns train.jsonl and test.jsonl into TFRecord files of ids, which training reads as a stream.

Runs in the tf1 environment: `python -m tf1.features REVIEWS_DIR OUTPUT_DIR --vocab_file=vocab.txt`. The ids are
those of bert-tensorflow's FullTokenizer, from infer/text/tokenizer.py. A process on each core writes files of SHARD
reviews.
"""

import argparse
import ctypes
import itertools
import json
import os
import shutil
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from infer.text.examples import check_example
from infer.text.files import sha256_of
from infer.text.labels import read_labels
from infer.text.long import count, say
from infer.text.script import run
from infer.text.tokenizer import load_tokenizer, read_casing, read_vocab, to_features
from tf1.input_fn import FEATURES, INDEX, feature_settings

SPLITS = ("train", "test")
SHARD = 10_000  # reviews
PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def find_shards(path):
    """Yields (offset of the first line in bytes, number of lines) for each SHARD lines of a file."""
    with open(str(path), "rb") as file:
        while True:
            offset = file.tell()
            lines = sum(1 for _ in itertools.islice(iter(file.readline, b""), SHARD))
            if not lines:
                return
            yield offset, lines


def start_process(vocab_file, do_lower_case, max_seq_length):
    """Prepares a process of the pool for write_shard: loads the tokenizer as the global function `encode`."""
    global encode
    # Without this a process would wait for ever on a parent that was killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    vocab = read_vocab(vocab_file)
    cls_sep_ids, text_to_ids = (vocab["[CLS]"], vocab["[SEP]"]), load_tokenizer(vocab, do_lower_case)

    def encode(text):
        ids = text_to_ids([text])[0]
        return to_features(ids, cls_sep_ids, max_seq_length)[:, 0], len(ids)


def write_shard(task):
    """Writes some lines of a file of examples as TFRecords.

    Args:
      task: (path of the file, number of the first line, its offset in bytes, number of lines, path to write, number of
        labels).
    Returns: (int array (lines,): the texts' numbers of WordPieces, before they are cut; message about an invalid line,
      or None).
    """
    path, first, offset, lines, output, num_labels = task
    lengths = []
    with open(path, "rb") as file, tf.io.TFRecordWriter(output) as writer:
        file.seek(offset)
        for number, line in enumerate(itertools.islice(file, lines), first):
            try:
                row = check_example(number, json.loads(line.decode("utf-8")), num_labels)
            except (ValueError, RecursionError) as error:
                return lengths, f"{path}: not a file of examples, as `make reviews` writes: {error}"
            ids, length = encode(row["review"])
            lengths.append(length)
            values = [*ids.tolist(), [row["label"]]]
            feature = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                for name, value in zip(FEATURES, values)
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString(deterministic=True))  # or its map comes in any order
    return np.array(lengths), None


def write_split(pool, path, split, folder, num_labels):
    """Writes the features of one split into `folder`, a shard to a file.

    Args:
      pool: ProcessPoolExecutor of processes that start_process has prepared.
      path: Path of the split's file of examples.
      split: "train" or "test".
      folder: Path.
      num_labels: int.
    Returns: (int array (reviews,), as of write_shard; {name of a file: its SHA-256}).
    Raises: SystemExit if a line is not an example.
    """
    shards = list(find_shards(path))
    names = [f"{split}-{i:05}-of-{len(shards):05}.tfrecord" for i in range(len(shards))]
    tasks = [
        (str(path), i * SHARD + 1, offset, lines, str(folder / name), num_labels)
        for i, ((offset, lines), name) in enumerate(zip(shards, names))
    ]
    count = sum(lines for _, lines in shards)
    with tqdm(desc=split, unit="review", total=count, disable=None) as bar:
        lengths = []
        for shard, error in pool.map(write_shard, tasks):
            if error:
                sys.exit(error)
            bar.update(len(shard))
            lengths.append(shard)
    return np.concatenate(lengths or [[]]), {name: sha256_of(folder / name) for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reviews_dir", type=Path, help="the folder of train.jsonl and test.jsonl")
    parser.add_argument("output_dir", type=Path, help="the folder to make: train-*.tfrecord, test-*.tfrecord, " + INDEX)
    parser.add_argument("--vocab_file", required=True, help="the vocabulary that the BERT model was trained on")
    parser.add_argument("--max_seq_length", type=int, default=128, help="in WordPieces, [CLS] and [SEP] included")
    args = parser.parse_args()

    do_lower_case = read_casing(args.vocab_file)
    read_vocab(args.vocab_file)  # reports an invalid vocabulary once, and not in every process
    settings = feature_settings(args.vocab_file, do_lower_case, args.max_seq_length)
    labels = read_labels(args.reviews_dir)
    index = dict(settings, labels=labels, reviews={}, files={})
    part = args.output_dir.with_name(args.output_dir.name + ".part")
    shutil.rmtree(str(part), ignore_errors=True)
    part.mkdir(parents=True)
    arguments = (args.vocab_file, do_lower_case, args.max_seq_length)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), initializer=start_process, initargs=arguments) as pool:
        for split in SPLITS:
            path = args.reviews_dir / (split + ".jsonl")
            lengths, index["files"][split] = write_split(pool, path, split, part, len(labels))
            index["reviews"][split] = len(lengths)
            print(f"{split}: {len(lengths)} reviews from {path}, in files: {len(index['files'][split])}")
            room = args.max_seq_length - 2
            say(split, count(lengths, room), room, advice="", file=sys.stdout)
    (part / INDEX).write_text(json.dumps(index, indent=2) + "\n")
    shutil.rmtree(str(args.output_dir), ignore_errors=True)
    part.rename(args.output_dir)


def main_or_killed():
    """Calls main(); ends with one line if a process of its pool was killed, as the kernel does when memory runs out.

    Raises: SystemExit.
    """
    try:
        main()
    except BrokenProcessPool:
        sys.exit("features: a process was killed, perhaps for lack of memory: run it again")


if __name__ == "__main__":
    run(main_or_killed)
