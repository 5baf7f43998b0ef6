"""Features for training and evaluation, streamed from TFRecord files. Runs in the tf1 environment."""

import json
import os
import sys

import tensorflow as tf

from infer.text.files import sha256_of
from infer.text.labels import check_labels

# IteratorGetNext's outputs follow the sorted names, so these are its ports 0, 1, 3 and 2.
FEATURES = ("input_ids", "input_mask", "segment_ids", "label_ids")
INDEX = "features.json"


def feature_settings(vocab_file, do_lower_case, max_seq_length):
    """Returns the settings that features depend on besides the reviews, as INDEX stores them."""
    return {"max_seq_length": max_seq_length, "do_lower_case": do_lower_case, "vocab_sha256": sha256_of(vocab_file)}


def read_features(data_dir, split, expected):
    """Checks the features of a split; returns (paths of its TFRecord files in order, number of reviews in them).

    Args:
      data_dir: a folder that tf1.features wrote.
      split: "train" or "test".
      expected: feature_settings of the model that is to read them.
    Raises: SystemExit if a file is missing or has changed, or they are of another vocabulary, casing or length.
    """
    path = os.path.join(data_dir, INDEX)
    try:
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
        files = {os.path.join(data_dir, name): sha256 for name, sha256 in index["files"][split].items()}
        settings, count = {key: index[key] for key in expected}, int(index["reviews"][split])
        check_labels(index["labels"])
    except FileNotFoundError:
        sys.exit(f"{path}: no such file: --data_dir must hold TFRecord files, as `make features` writes")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        sys.exit(f"{path}: not as `make features` writes it: make features again ({error!r})")
    for key, value in expected.items():
        if settings[key] != value:
            sys.exit(f"{path}: made with {key} {settings[key]}, not {value}: make features again, with these flags")
    for name, sha256 in files.items():
        if not os.path.isfile(name) or sha256_of(name) != sha256:
            sys.exit(f"{name}: missing, or not as `make features` wrote it: make features again")
    return list(files), count


def read_label_names(data_dir):
    """Returns the labels of the features in a folder that read_features has checked, list of str."""
    with open(os.path.join(data_dir, INDEX), encoding="utf-8") as file:
        return json.load(file)["labels"]


def input_fn_builder(files, max_seq_length, is_training, random_seed=0, share=(1, 0), skip=0):
    """Returns the `input_fn` for TPUEstimator, which gives batches as a dict of int32 tensors.

    They are input_ids, input_mask and segment_ids, each (batch, max_seq_length), and label_ids, (batch,). Upstream's
    fifth feature, is_real_example, is left out: it would move segment_ids to another port of IteratorGetNext.

    Args:
      files: the paths that read_features returned.
      max_seq_length: int.
      is_training: bool; if true, the reviews are shuffled and repeated without end.
      random_seed: int, of the order of the reviews.
      share: (number of workers, rank of this one). In training each worker gets its part of every batch of
        "batch_size" reviews; in evaluation the workers take whole batches in turn.
      skip: int, how many batches were trained on before.
    Source: bert.run_classifier.file_based_input_fn_builder.
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
