"""The classifier's head in NumPy: weight.npy and bias.npy as export_fc.py writes them, and the softmax.

NumPy alone, in every environment: bench/ takes the softmax on Python 3.7 as well.
"""

import io
import sys
from pathlib import Path

import numpy as np

from infer.text.labels import read_labels

MAX_HEAD = 1 << 24  # bytes of an .npy; a thousand labels of BERT-Large take 4 million


def softmax(logits):
    """Softmax over the last axis that can't overflow: the largest logit is taken off first."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def read_npy(path):
    """Returns the array in an .npy file of at most MAX_HEAD bytes; raises whatever NumPy does, if it is none.

    Not np.load: that takes zips and pickles too, and reserves as much memory as the header claims.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_HEAD + 1)
    if len(data) > MAX_HEAD:
        raise ValueError(f"more than {MAX_HEAD} bytes")
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("not of .npy's version 1.0")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return np.ndarray(shape, dtype, data, file.tell(), order="F" if fortran_order else "C")


def load_head(folder, hidden_size):
    """Reads weight.npy (labels, hidden), bias.npy (labels,) and labels.txt as export_fc.py wrote them.

    Nothing in them is run.
    Returns: (weight, bias, list of str: the labels).
    Raises: SystemExit if one is missing, is not such an array of finite numbers, or belongs to an encoder of another
      hidden size.
    """
    arrays = []
    for name, ndim in (("weight.npy", 2), ("bias.npy", 1)):
        path = Path(folder, name)
        try:
            array = read_npy(path)
        except Exception as error:  # the header is parsed as Python, so whatever that raises
            why = (str(error) or type(error).__name__).splitlines()[0]
            sys.exit(f"{path}: cannot read the classifier head: {why}: make it with `make fc`")
        if array.ndim != ndim or array.dtype != np.float32:
            sys.exit(f"{path}: {array.dtype} of shape {array.shape} is not a classifier head: make it with `make fc`")
        if not np.isfinite(array).all():
            sys.exit(f"{path}: some of it is NaN or infinite: make it with `make fc`, of another checkpoint")
        arrays.append(array)
    weight, bias = arrays
    if weight.shape != (len(bias), hidden_size) or len(bias) < 2:
        sys.exit(
            f"{folder}: hidden size {hidden_size}, but weight.npy is {weight.shape} and bias.npy {bias.shape}: "
            "they belong to different models"
        )
    return weight, bias, read_labels(folder, len(bias))
