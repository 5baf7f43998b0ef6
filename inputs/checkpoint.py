"""Checkpoints that are there and whole, or one line that says what is wrong. Runs in the tf1 environment."""

import os
import sys

import tensorflow as tf


def read_checkpoint(prefix):
    """Reads every tensor of a checkpoint, so that a missing or truncated one is found before any work.

    Args:
      prefix: path up to `model.ckpt-N`, as TensorFlow names checkpoints.
    Returns: {variable name: numpy array}.
    Raises: SystemExit, with one line, if a file is missing, cut off or damaged.
    """
    if not os.path.exists(prefix + ".index"):
        sys.exit(f"{prefix}: no such checkpoint ({prefix}.index is missing)")
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        sys.exit(f"{prefix}: damaged or truncated checkpoint, make or copy it again ({reason})")
