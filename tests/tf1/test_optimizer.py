"""The update in one operation: upstream's numbers, variables and order, from its own create_optimizer."""

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from bert import optimization

from tf1 import optimizer

STEPS, RATE = 20, 0.01
IDS = [3, 1, 3, 0]


def train(resource):
    """Trains a look-up and a layer; returns (losses, {name: every variable})."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        random = np.random.RandomState(0)
        kwargs = {"use_resource": resource, "dtype": tf.float32}
        table = tf.compat.v1.get_variable(
            "word_embeddings", initializer=random.randn(6, 4).astype("f"), use_resource=resource
        )
        kernel = tf.compat.v1.get_variable(
            "dense/kernel", initializer=random.randn(4, 3).astype("f"), use_resource=resource
        )
        bias = tf.compat.v1.get_variable("dense/bias", initializer=random.randn(3).astype("f"), use_resource=resource)
        tf.compat.v1.get_variable("unreached", [2], **kwargs)
        targets = tf.compat.v1.placeholder(tf.float32, [4, 3])
        loss = tf.reduce_sum(tf.square(tf.tanh(tf.gather(table, IDS) @ kernel + bias) - targets))
        train_op = optimizer.create_optimizer(loss, RATE, STEPS, 5)
        session.run(tf.compat.v1.global_variables_initializer())
        losses = [session.run([loss, train_op], {targets: random.randn(4, 3)})[0] for _ in range(STEPS)]
        return losses, {
            var.op.name: session.run(var) for var in tf.compat.v1.global_variables() if var.op.name != "unreached"
        }


@pytest.mark.parametrize("resource", [False, True])
def test_weights_and_moments_are_upstreams_within_rounding(resource):
    found_losses, found = train(resource)
    upstream = optimization.AdamWeightDecayOptimizer.apply_gradients
    with mock.patch.object(optimizer, "apply_gradients", upstream):
        losses, expected = train(resource)
    assert set(found) == set(expected) and "word_embeddings/adam_m" in found and found["global_step"] == STEPS
    np.testing.assert_allclose(found_losses, losses, rtol=1e-5)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6, err_msg=name)
    start = np.random.RandomState(0).randn(6, 4)
    assert np.abs(found["word_embeddings"][5] - start[5]).max() > 1e-4, "a word that no text has decays too"


def test_bias_is_not_decayed_and_no_bias_correction_enlarges_the_first_steps():
    """One step from known gradients, by hand: m and v begin at 0."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weights = [tf.compat.v1.get_variable(name, initializer=[2.0]) for name in ("kernel", "bias")]
        train_op = optimizer.create_optimizer(tf.reduce_sum(tf.stack(weights)), RATE, 1000, 0)
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(train_op)
        grad = 1 / np.sqrt(2)  # clipped
        step = RATE * 0.1 * grad / (np.sqrt(0.001) * grad + 1e-6)
        np.testing.assert_allclose(session.run(weights), [[2 - step - RATE * 0.01 * 2], [2 - step]], rtol=1e-6)
