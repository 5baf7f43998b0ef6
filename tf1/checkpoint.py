"""Reads checkpoints, and says in one line what is wrong with one. Runs in the tf1 environment."""

import glob
import os
import sys

import numpy as np
import tensorflow as tf

SLACK = 4096  # bytes: a string counts as 8, and may be shorter


def read_checkpoint(prefix):
    """Reads every tensor of a checkpoint, so that a missing or damaged one is found before any other work.

    Args:
      prefix: path of a checkpoint without the ends of its files' names, such as `folder/model.ckpt-N`.
    Returns: {variable name: numpy array}.
    Raises: SystemExit, with one line, if a file is missing, truncated or damaged, or a weight is NaN or infinite.
    """
    if not os.path.exists(prefix + ".index"):
        sys.exit(f"{prefix}: no such checkpoint ({prefix}.index is missing)")
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        claimed = sum(int(np.prod(shapes[name], dtype=float)) * dtypes[name].size for name in shapes)
        files = glob.glob(glob.escape(prefix) + ".data-*")
        if claimed > sum(map(os.path.getsize, files)) + SLACK:  # TensorFlow would allocate it all
            raise ValueError(f"its tensors would take {claimed} bytes, more than its files have")
        tensors = {name: np.asarray(reader.get_tensor(name)) for name in shapes}  # a string comes as bytes
    except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        sys.exit(f"{prefix}: damaged or truncated checkpoint, make or copy it again ({reason})")
    for name, value in tensors.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            sys.exit(f"{prefix}: {name} has NaN or infinite values: use another checkpoint, or train again")
    return tensors
