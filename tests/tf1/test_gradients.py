"""What workers make of their gradients, with a stand-in for Horovod's allreduce; with the real one: test_workers.py."""

import numpy as np
import pytest
import tensorflow as tf

from tf1 import workers

OTHERS = {"loss": 5.0, "dense": [10.0, 20.0], "table": [[7.0, 7.0]]}  # what the second worker has


class Horovod:
    """Of two workers: adds what the second has, or takes the mean, as the names of its operations say."""

    Average, Sum = "Average", "Sum"

    def allreduce(self, tensor, op):
        if isinstance(tensor, tf.IndexedSlices):  # as Horovod does: gathered, the second worker's after the first's
            values = tf.concat([tensor.values, tf.constant(OTHERS["table"])], 0)
            indices = tf.concat([tensor.indices, tf.constant([2])], 0)
            return tf.IndexedSlices(values / 2 if op == self.Average else values, indices, tensor.dense_shape)
        other = tf.constant(OTHERS["dense" if tensor.shape.ndims else "loss"])
        return (tensor + other) / 2 if op == self.Average else tensor + other


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setattr(workers, "hvd", Horovod())


def test_gradients_are_the_mean_over_the_workers(two_workers):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.compat.v1.get_variable("table", [3, 2])
        dense = tf.compat.v1.get_variable("dense", initializer=[1.0, 2.0])
        loss = tf.reduce_sum(tf.gather(table, [0])) + tf.reduce_sum(dense**2)
        with workers.averaged_gradients():
            gradients = tf.gradients(loss, [table, dense])
        of_table = tf.convert_to_tensor(gradients[0])
        session.run(tf.compat.v1.global_variables_initializer())
        np.testing.assert_allclose(session.run(gradients[1]), [(2 + 10) / 2, (4 + 20) / 2])
        np.testing.assert_allclose(session.run(of_table), [[0.5, 0.5], [0, 0], [3.5, 3.5]])
        assert isinstance(gradients[0], tf.IndexedSlices)
        np.testing.assert_allclose(session.run(workers.average(tf.constant(1.0))), (1 + 5) / 2)
        np.testing.assert_allclose(session.run(tf.gradients(loss, dense)[0]), [2, 4], err_msg="outside, its own")


def test_one_worker_keeps_its_own():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.constant(3.0)
        with workers.averaged_gradients():
            (gradient,) = tf.gradients(x**2, [x])
        assert session.run([gradient, workers.average(x)]) == [6.0, 3.0]
