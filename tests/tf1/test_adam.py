"""The optimizer's update is upstream's to rounding, and so are its variables' names and shapes."""

import time
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from bert import optimization

from tf1.adam import apply_gradients, upstreams_apply_gradients

STEPS, WARMUP, RATE, DECAY = 12, 3, 0.1, 0.01  # a rate so high that an update in another order shows
VECTORS = ["dense/kernel", "dense/bias", "LayerNorm/gamma", "LayerNorm/beta", "output_weights"]

# What a step may round otherwise: each of some ten operations by half a unit of float32's last place, and 1 - beta_2
# wholly, which the kernel takes in float32. An update is at most so many times the learning rate: its mean is
# 0.1 sum(0.9^i g_i), its root that of 0.001 sum(0.999^i g_i^2), and Cauchy and Schwarz say the rest.
ROUNDING = 10 * 2.0**-24
BETA_2 = float(abs((1 - np.float32(0.999)) / 0.001 - 1))
LARGEST_UPDATE = 0.1 / np.sqrt(0.001 * (1 - 0.9**2 / 0.999))


def draw(step):
    """Returns what a step's loss is made of: ids of rows, some of them twice, factors of these, factors of VECTORS."""
    random = np.random.RandomState(step)
    factors = random.standard_normal([len(VECTORS), 40]) * 10.0 ** random.randint(-6, 1, [len(VECTORS), 40])
    factors[:, step::7] = 0  # a weight that has had no gradient yet only decays
    return random.randint(0, 30, 16), random.standard_normal([16, 8]), factors


class Training:
    """A graph with upstream's create_optimizer, whose gradients are the same whatever the weights, and a session."""

    def __init__(self, method, use_resource=False):
        graph = tf.Graph()
        with graph.as_default(), mock.patch.object(optimization.AdamWeightDecayOptimizer, "apply_gradients", method):
            random = np.random.RandomState(9)

            def variable(name, *shape):
                values = random.standard_normal(shape).astype(np.float32)
                return tf.compat.v1.get_variable("bert/" + name, initializer=values, use_resource=use_resource)

            variable("cls/unreached", 3)  # the first, so that what follows it is seen to be updated
            table, vectors = variable("embeddings/table", 50, 8), [variable(name, 40) for name in VECTORS]
            self.drawn = [tf.compat.v1.placeholder(kind) for kind in (tf.int32, tf.float32, tf.float32)]
            ids, of_rows, of_vectors = self.drawn
            loss = tf.reduce_sum(tf.gather(table, ids) * of_rows) + tf.reduce_sum(tf.stack(vectors) * of_vectors)
            self.global_step = tf.compat.v1.train.get_or_create_global_step()
            train_op = optimization.create_optimizer(loss, RATE, STEPS, WARMUP, use_tpu=False)
            self.update = train_op.control_inputs[0]  # and not the counting of the step, with which it races
            self.saver = tf.compat.v1.train.Saver()
            self.variables = {variable.op.name: variable for variable in tf.compat.v1.global_variables()}
            self.session = tf.compat.v1.Session()
            self.session.run(tf.compat.v1.global_variables_initializer())

    def train(self, steps):
        """Returns {variable's name: array} after these steps."""
        for step in steps:
            self.global_step.load(step, self.session)
            self.session.run(self.update, dict(zip(self.drawn, draw(step))))
        return self.session.run(self.variables)


def assert_close(values, wanted, steps):
    """Asserts that all is as wanted but for what so many steps can round otherwise."""
    assert {*values} == {*wanted}
    for name, value in wanted.items():
        relative, absolute = 0, ROUNDING * np.abs(value).max()
        if name.endswith("/adam_v"):
            relative = BETA_2
        elif not name.endswith("/adam_m"):
            absolute += RATE * LARGEST_UPDATE * (BETA_2 / 2 + ROUNDING)
        np.testing.assert_allclose(values[name], value, relative, steps * absolute, err_msg=name)


@pytest.mark.parametrize("use_resource", [False, True])
def test_each_step_is_upstreams(use_resource):
    ours, upstreams = Training(apply_gradients, use_resource), Training(upstreams_apply_gradients)
    first = ours.train([])
    for step in range(STEPS):
        values = ours.train([step])
        assert_close(values, upstreams.train([step]), step + 1)
    still = {name for name in first if np.array_equal(values[name], first[name])}
    assert still == {"bert/cls/unreached"}, "gradients, and a rate, moved all the rest"
    # What no batch had only decayed, and what is excluded did not even do that.
    rates = [RATE * step / WARMUP if step < WARMUP else RATE * (1 - step / STEPS) for step in range(STEPS)]
    table, before = (each["bert/embeddings/table"][30:] for each in (values, first))
    np.testing.assert_allclose(table, before * np.prod(1 - DECAY * np.array(rates)), STEPS * ROUNDING)


@pytest.mark.parametrize("ours_first", [False, True])
def test_a_checkpoint_of_either_goes_on_with_the_other(ours_first, tmp_path):
    trainings = [Training(upstreams_apply_gradients), Training(apply_gradients)]
    saved, resumed = reversed(trainings) if ours_first else trainings
    saved.train(range(STEPS // 2))
    resumed.saver.restore(resumed.session, saved.saver.save(saved.session, str(tmp_path / "model.ckpt")))
    undisturbed = Training(upstreams_apply_gradients).train(range(STEPS))
    assert_close(resumed.train(range(STEPS // 2, STEPS)), undisturbed, STEPS)


@pytest.mark.parametrize("use_resource", [False, True])
def test_weights_change_after_the_backward_pass_has_read_them(use_resource):
    """The gradient of (w f)² / 2 is w f², and f takes its time."""

    def slow():
        time.sleep(0.5)
        return np.float32(2)

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weight = tf.compat.v1.get_variable("weight", initializer=[3.0], use_resource=use_resource)
        factor = tf.compat.v1.py_func(slow, [], tf.float32)
        (gradient,) = tf.gradients((weight * factor) ** 2 / 2, [weight])
        optimizer = optimization.AdamWeightDecayOptimizer(tf.constant(RATE), weight_decay_rate=0.5)
        train_op = optimizer.apply_gradients([(gradient, weight)])
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(train_op)
        (m,) = (each for each in tf.compat.v1.global_variables() if each.op.name == "weight/adam_m")
        np.testing.assert_allclose(session.run(m), [0.1 * 3 * 2**2], 1e-6)
