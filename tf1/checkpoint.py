"""Reads and writes checkpoints, and says in one line what is wrong with one. Runs in the tf1 environment."""

import glob
import os
import sys

import numpy as np
import tensorflow as tf

HUB_SCOPE = "module/"  # hub.Module's default name, which the variables of a fine-tuned module begin with
NARROW = (np.float16, tf.bfloat16.as_numpy_dtype)
SLACK = 4096  # bytes: a string counts as 8, and may be shorter


def read_checkpoint(prefix):
    """Reads every tensor of a checkpoint, so that a missing or damaged one is found before any other work.

    Args:
      prefix: path of a checkpoint without the ends of its files' names, such as `folder/model.ckpt-N`.
    Returns: {variable name: numpy array}, float32 where it is float16 or bfloat16.
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
        if value.dtype in NARROW:
            tensors[name] = value = value.astype(np.float32)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            sys.exit(f"{prefix}: {name} has NaN or infinite values: use another checkpoint, or train again")
    return tensors


def read_model(prefix):
    """Returns {google-research/bert's name: array} of a checkpoint's encoder and head; the optimizer's are left out.

    The variables of a TF Hub module, as the notebook leaves them, lose their module/. Raises: as read_checkpoint.
    """
    variables = {}
    for name, value in read_checkpoint(prefix).items():
        name = name[len(HUB_SCOPE) :] if name.startswith(HUB_SCOPE) else name
        if name.startswith(("bert/", "output_")) and not name.endswith(("/adam_m", "/adam_v")):
            variables[name] = value
    return variables


def check_variables(variables, shapes):
    """Raises ValueError unless {name: array} has all of {name: shape}, as of variable_shapes, float32 and finite."""
    for name, shape in shapes.items():
        if name not in variables:
            raise ValueError(f"no {name}, which bert_config.json's model has")
        value = variables[name]
        if value.shape != shape or value.dtype != np.float32 or not np.isfinite(value).all():
            raise ValueError(f"{name} is {value.dtype} of shape {value.shape}, not finite float32 of shape {shape}")


def save(variables, prefix):
    """Writes {name: array} as a TensorFlow 1 checkpoint, without a graph, at the path `prefix`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in variables.items():
            tf.compat.v1.get_variable(name, initializer=value)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, prefix, write_meta_graph=False, write_state=False)


def restorable(prefix, folder):
    """Returns the prefix of a checkpoint that upstream's own model restores: the given one, or a copy in `folder`.

    A copy of what read_model renames or read_checkpoint widens, and of one that was never trained.
    """
    with_types = tf.compat.v1.train.NewCheckpointReader(prefix).get_variable_to_dtype_map()
    if "global_step" in with_types and not any(
        name.startswith(HUB_SCOPE) or kind.as_numpy_dtype in NARROW for name, kind in with_types.items()
    ):
        return prefix
    copy = os.path.join(folder, "model.ckpt")
    save(dict(read_model(prefix), global_step=np.int64(0)), copy)
    return copy
