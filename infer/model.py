"""Ids to probabilities: the encoder on OpenVINO, the head and the softmax in NumPy."""

import io
import sys
from pathlib import Path

import numpy as np
import openvino as ov

from inputs.reviews import LABELS

MAX_HEAD = 1 << 24  # bytes of an .npy; two labels of BERT-Large take 8 thousand
INPUTS = ("IteratorGetNext:0", "IteratorGetNext:1", "IteratorGetNext:3")  # input_ids, input_mask, segment_ids


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
    """Reads weight.npy (labels, hidden) and bias.npy (labels,) as export_fc.py wrote them; nothing in them is run.

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
            sys.exit(f"{path}: some of it is no number: make it with `make fc`, of another checkpoint")
        arrays.append(array)
    weight, bias = arrays
    if weight.shape != (len(LABELS), hidden_size) or bias.shape != (len(LABELS),):
        sys.exit(
            f"{folder}: hidden size {hidden_size} and {len(LABELS)} labels, but weight.npy is {weight.shape} and "
            f"bias.npy {bias.shape}: they belong to different models"
        )
    return weight, bias


def load_encoder(model, device="CPU", extension=None):
    """Compiles the encoder.

    Args:
      model: path of bert-finetune.xml, its .bin beside it.
      device: an OpenVINO device name.
      extension: path of a library of custom operations (.so), or None.
    Returns: ov.CompiledModel with three int32 inputs of shape (1, max_seq_length) and one float32 output
      (1, hidden).
    Raises: SystemExit if a file is missing or broken, the device isn't there or the IR isn't the encoder's.
    """
    core = ov.Core()
    if extension:
        try:
            core.add_extension(extension)
        except RuntimeError as error:
            sys.exit(f"{extension}: cannot load the extension: {reason(error)}")
    if not Path(model).is_file():
        sys.exit(f"{model}: no such file: make it with `make ir`")
    if not Path(model).with_suffix(".bin").is_file():
        sys.exit(f"{Path(model).with_suffix('.bin')}: no such file: it belongs beside {model}")
    try:
        with open(model, "rb") as file:
            if file.read(1) != b"<":  # other formats' parsers would be tried on it, and print what is in it
                raise ValueError("it is no XML")
        network = core.read_model(model)
        shapes = [tuple(network.input(name).shape) for name in INPUTS]
        if len(network.inputs) != 3 or len(set(shapes)) != 1 or shapes[0][:-1] != (1,):
            raise RuntimeError(f"its inputs are of shapes {shapes}")
        if len(network.output(0).shape) != 2:
            raise RuntimeError(f"its output is of shape {network.output(0).shape}")
    except (RuntimeError, ValueError) as error:
        sys.exit(f"{model}: not the IR of this encoder, or broken: {reason(error)}: make it with `make ir`")
    try:
        # Some CPUs would run it in bfloat16; the comparison with TensorFlow is in FP32.
        return core.compile_model(network, device, {"INFERENCE_PRECISION_HINT": "f32"})
    except (RuntimeError, ValueError) as error:
        devices = ", ".join(core.available_devices)
        sys.exit(f"device {device} cannot run {model}: {reason(error)}: the devices here are {devices}")


def reason(error):
    """Returns what happened: the last line of OpenVINO's message, which begins with source positions."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def load_classifier(model, device="CPU", extension=None):
    """Returns (function: features to probabilities, max_seq_length).

    The function takes int32 input_ids, input_mask, segment_ids, each of shape (1, max_seq_length), and returns
    float32 (labels,). Arguments and errors: load_encoder, load_head.
    """
    encoder = load_encoder(model, device, extension)
    weight, bias = load_head(Path(model).parent, encoder.output(0).shape[1])
    request = encoder.create_infer_request()

    def predict(features):
        pooled = request.infer(dict(zip(INPUTS, features, strict=False)))[encoder.output(0)]
        if not np.isfinite(pooled).all():
            sys.exit(f"{model}: it computes what is no number: make it with `make ir`, or take another checkpoint")
        return softmax(pooled @ weight.T + bias)[0]

    return predict, encoder.input(INPUTS[0]).shape[1]
