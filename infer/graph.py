"""Prints the sequence length of a frozen encoder: python -m infer.graph bert-finetune.pb

Runs in the openvino environment, on TensorBoard's copy of the format: TensorFlow itself is not imported.
"""

import os
import sys

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.graph_pb2 import GraphDef

from infer.ports import INPUT_NODE, MAX_LENGTH, OUTPUT

MAX_BYTES = 1 << 31  # protobuf's own limit


def read_length(path):
    """Returns max_seq_length of the frozen graph at `path`, from the shapes (batch, length) of its inputs.

    Raises: SystemExit if it is not a whole GraphDef, or not that of an encoder as ckpt_to_pb.py freezes it.
    """
    graph_def = GraphDef()
    try:
        if os.path.getsize(path) >= MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        with open(path, "rb") as file:
            graph_def.ParseFromString(file.read())
    except (OSError, ValueError, DecodeError) as error:
        sys.exit(f"{path}: not a whole frozen graph ({error}): make pb again, or give another")
    nodes = {node.name: node for node in graph_def.node}
    for name in (INPUT_NODE, OUTPUT):
        if name not in nodes:
            sys.exit(f"{path}: no {name} in it: not an encoder that ckpt_to_pb.py froze")
    shapes = nodes[INPUT_NODE].attr["output_shapes"].list.shape
    if not shapes or len(shapes[0].dim) != 2 or not 3 <= shapes[0].dim[1].size <= MAX_LENGTH:
        sys.exit(f"{path}: {INPUT_NODE} has no shape (batch, length): not an encoder that ckpt_to_pb.py froze")
    return shapes[0].dim[1].size


if __name__ == "__main__":
    print(read_length(sys.argv[1]))
