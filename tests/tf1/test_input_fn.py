"""Of TFRecords every review once, in the right worker's part. Of what tf1.features writes: test_features.py."""

import numpy as np
import pytest
import tensorflow as tf

from tf1.input_fn import FEATURES, input_fn_builder

LENGTH, REVIEWS = 4, 23


@pytest.fixture
def files(tmp_path):
    """Two files of reviews, whose input_ids begin with their number."""
    paths = [str(tmp_path / name) for name in ("one", "two")]
    for path, numbers in zip(paths, (range(10), range(10, REVIEWS))):
        with tf.io.TFRecordWriter(path) as writer:
            for number in numbers:
                values = [number, 7, 7, 0], [1, 1, 1, 0], [0] * LENGTH, [number % 2]
                feature = {
                    name: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                    for name, value in zip(FEATURES, values)
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return paths


def numbers(files, batch_size, count, **changes):
    """Returns the numbers of the reviews in each batch, a list for each."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        dataset = input_fn_builder(files, LENGTH, **changes)({"batch_size": batch_size}).take(count)
        batch = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        found = []
        while True:
            try:
                features = session.run(batch)
            except tf.errors.OutOfRangeError:
                return found
            first = features["input_ids"][:, 0]
            np.testing.assert_array_equal(features["label_ids"], first % 2)
            np.testing.assert_array_equal(features["input_mask"], [[1, 1, 1, 0]] * len(first))
            found.append(first.tolist())


def test_evaluation_reads_every_review_once_and_in_order(files):
    whole = numbers(files, 4, -1, is_training=False)
    assert sum(whole, []) == list(range(REVIEWS))
    shares = [numbers(files, 4, -1, is_training=False, share=(2, rank)) for rank in range(2)]
    assert shares == [whole[::2], whole[1::2]]


def test_workers_share_every_batch_of_training(files):
    whole = numbers(files, 6, 20, is_training=True)
    first, second = (numbers(files, 6, 20, is_training=True, share=(2, rank)) for rank in range(2))
    assert all(len(batch) == 3 for batch in first + second)
    assert [sorted(one + other) for one, other in zip(first, second)] == [sorted(batch) for batch in whole]
    assert {*sum(whole, [])} == {*range(REVIEWS)}


def test_a_resumed_training_skips_what_it_was_trained_on_and_the_seed_gives_the_order(files):
    whole = numbers(files, 6, 12, is_training=True)
    assert numbers(files, 6, 7, is_training=True, skip=5) == whole[5:]
    assert numbers(files, 6, 12, is_training=True, random_seed=1) != whole
