"""Checkpoints that are there and whole, or one line that says what is wrong. Runs in the tf1 environment."""

import glob
import os
import sys

import numpy as np
import tensorflow as tf

SLACK = 4096  # a text counts as 8 bytes, and may have fewer


def read_checkpoint(prefix):
    """Reads every tensor of a checkpoint, so that a missing or truncated one is found before any work.

    Args:
      prefix: path up to `model.ckpt-N`, as TensorFlow names checkpoints.
    Returns: {variable name: numpy array}.
    Raises: SystemExit, with one line, if a file is missing, cut off or damaged, or a weight is NaN or infinite.
    """
    if not os.path.exists(prefix + ".index"):
        sys.exit(f"{prefix}: no such checkpoint ({prefix}.index is missing)")
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        claimed = sum(int(np.prod(shapes[name], dtype=float)) * dtypes[name].size for name in shapes)
        files = glob.glob(glob.escape(prefix) + ".data-*")
        if claimed > sum(map(os.path.getsize, files)) + SLACK:  # TensorFlow would reserve it all
            raise ValueError(f"its tensors would take {claimed} bytes, more than there are")
        tensors = {name: np.asarray(reader.get_tensor(name)) for name in shapes}  # a text comes as bytes
    except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        sys.exit(f"{prefix}: damaged or truncated checkpoint, make or copy it again ({reason})")
    for name, value in tensors.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            sys.exit(f"{prefix}: {name} has values that are no numbers: take another checkpoint, or train again")
    return tensors
