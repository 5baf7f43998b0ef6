"""Ids to probabilities the guide's way, one review at a time: the encoder on OpenVINO, the head in NumPy."""

import sys
from pathlib import Path

import numpy as np
import openvino as ov

from infer.head import load_head, softmax
from infer.ir import FP32, reason
from infer.ports import INPUTS


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
        return core.compile_model(network, device, FP32)
    except (RuntimeError, ValueError) as error:
        devices = ", ".join(core.available_devices)
        sys.exit(f"device {device} cannot run {model}: {reason(error)}: the devices here are {devices}")


def load_classifier(model, device="CPU", extension=None):
    """Returns (function: features to probabilities, max_seq_length, labels: list of str).

    The function takes int32 input_ids, input_mask, segment_ids, each of shape (1, max_seq_length), and returns
    float32 (labels,). Arguments and errors: load_encoder, load_head.
    """
    encoder = load_encoder(model, device, extension)
    weight, bias, labels = load_head(Path(model).parent, encoder.output(0).shape[1])
    request = encoder.create_infer_request()

    def predict(features):
        pooled = request.infer(dict(zip(INPUTS, features, strict=False)))[encoder.output(0)]
        if not np.isfinite(pooled).all():
            sys.exit(
                f"{model}: it computes what is NaN or infinite: make it with `make ir`, or take another checkpoint"
            )
        return softmax(pooled @ weight.T + bias)[0]

    return predict, encoder.input(INPUTS[0]).shape[1], labels
