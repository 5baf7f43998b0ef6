"""What several workers share when run_classifier.py trains under horovodrun, each on its part of every batch.

Runs in the tf1-horovod environment. In tf1, or without horovodrun, there is one worker, and all of this has no effect.
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

from tf1 import RUN_AGAIN

hvd, SIZE, RANK = None, 1, 0
if "HOROVOD_RANK" in os.environ:  # set by horovodrun
    import horovod.tensorflow as hvd

    hvd.init()
    # Quiet: exit_if_worker_lost reports a lost worker in one line.
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.FATAL)
    SIZE, RANK = hvd.size(), hvd.rank()


def average(tensor):
    """Returns the mean over the workers of a tensor, or of a gradient's IndexedSlices.

    Every worker must call it equally often, or the others wait for it.
    """
    return hvd.allreduce(tensor, op=hvd.Average) if hvd else tensor


@contextlib.contextmanager
def averaged_gradients():
    """Makes tf.gradients return the mean over the workers, so that upstream's create_optimizer clips and applies it.

    The gradient of the word embeddings stays IndexedSlices, clipped slice by slice, as with one worker. That of a
    variable which the loss does not reach stays None: Google's modules have such ones, of the pre-training heads.
    """
    own_gradients = tf.gradients

    def gradients(*args, **kwargs):
        return [None if grad is None else average(grad) for grad in own_gradients(*args, **kwargs)]

    with mock.patch.object(tf, "gradients", gradients if hvd else own_gradients):
        yield


def broadcast_from_rank_0(number):
    """Returns the int that worker 0 passed, on every worker."""
    if not hvd:
        return number
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return int(session.run(hvd.broadcast(tf.constant(number, tf.int64), 0)))


@contextlib.contextmanager
def exit_if_worker_lost():
    """Ends this worker with one line if another one is lost: its host, its process, or the network between them.

    Raises: SystemExit.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if hvd and "Horovod" in str(error):
            sys.exit(f"a worker was lost or does not answer: {RUN_AGAIN}")
        raise


def scratch_folder():
    """Returns a new folder for what a worker other than 0 would write; it is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="worker-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class SumMetrics(tf.estimator.SessionRunHook):
    """Adds up what tf.metrics counted on the workers, each on its part, before the metrics are computed from it."""

    def begin(self):
        variables = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.METRIC_VARIABLES)
        sums = [variable.assign(hvd.allreduce(variable.read_value(), op=hvd.Sum)) for variable in variables]
        self.summed = tf.group(*sums)

    def end(self, session):
        session.run(self.summed)


def train_hooks():
    """Returns the hooks that start every worker with the weights and optimizer state of worker 0."""
    return [hvd.BroadcastGlobalVariablesHook(0)] if hvd else []


def evaluate_hooks():
    """Returns the hooks that evaluate the weights of worker 0 on the reviews of all workers."""
    return [hvd.BroadcastGlobalVariablesHook(0), SumMetrics()] if hvd else []
