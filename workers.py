"""The workers that share the training: run_classifier.py under horovodrun, each with its share of every batch.

Runs in the tf1-horovod environment. In tf1, or without horovodrun, there is one worker, and nothing here does anything.
Source: Sergeev and Del Balso, "Horovod: fast and easy distributed deep learning in TensorFlow", 2018.
"""

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from unittest import mock

import tensorflow as tf

hvd, SIZE, RANK = None, 1, 0
if "HOROVOD_RANK" in os.environ:  # horovodrun's
    import horovod.tensorflow as hvd

    hvd.init()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.FATAL)  # that a worker was lost is said in lost()
    SIZE, RANK = hvd.size(), hvd.rank()


def average(tensor):
    """Returns the workers' mean of a tensor or of a gradient's IndexedSlices; each worker has to ask for it."""
    return hvd.allreduce(tensor, op=hvd.Average) if hvd else tensor


@contextlib.contextmanager
def averaged_gradients():
    """Within it, tf.gradients returns the workers' mean, so that upstream's create_optimizer clips and applies that.

    The word embeddings' gradient stays a list of slices, which are clipped one by one, as with one worker.
    """
    own_gradients = tf.gradients

    def gradients(*args, **kwargs):
        return [average(gradient) for gradient in own_gradients(*args, **kwargs)]

    with mock.patch.object(tf, "gradients", gradients if hvd else own_gradients):
        yield


def from_first(number):
    """Returns an int as the first worker has it."""
    if not hvd:
        return number
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return int(session.run(hvd.broadcast(tf.constant(number, tf.int64), 0)))


@contextlib.contextmanager
def lost():
    """Ends a worker with one line if another one is lost: its host, its process, or the network between them."""
    try:
        yield
    except tf.errors.OpError as error:
        if hvd and "Horovod" in str(error):
            sys.exit("a worker was lost or does not answer: run it again to go on from the last checkpoint")
        raise


def folder_of_its_own():
    """Returns a folder for what a worker but the first would write; it goes away with the process."""
    folder = tempfile.mkdtemp(prefix="worker-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class SumMetrics(tf.estimator.SessionRunHook):
    """Sums what the workers' tf.metrics have counted once each has seen its share, before values are computed."""

    def begin(self):
        variables = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.METRIC_VARIABLES)
        sums = [variable.assign(hvd.allreduce(variable.read_value(), op=hvd.Sum)) for variable in variables]
        self.summed = tf.group(*sums)

    def end(self, session):
        session.run(self.summed)


def train_hooks():
    """Returns the hooks that start every worker with the weights and optimizer of the first."""
    return [hvd.BroadcastGlobalVariablesHook(0)] if hvd else []


def evaluate_hooks():
    """Returns the hooks that evaluate the weights of the first worker, and on all workers' shares."""
    return [hvd.BroadcastGlobalVariablesHook(0), SumMetrics()] if hvd else []
