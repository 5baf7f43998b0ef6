"""The frozen graph's length is read without TensorFlow, or one line says that it is none."""

import os
import random

import pytest
from fuzzing import BYTES, answer_or_line, given
from tensorboard.compat.proto.graph_pb2 import GraphDef

from infer.graph import read_length
from infer.ports import MAX_LENGTH

pytestmark = pytest.mark.usefixtures("memory")


def graph(length=8, output="bert/pooler/dense/Tanh"):
    """The bytes of a frozen graph as far as read_length looks."""
    frozen = GraphDef()
    node = frozen.node.add(name="IteratorGetNext")
    shape = node.attr["output_shapes"].list.shape.add()
    for size in (-1, length):
        shape.dim.add(size=size)
    frozen.node.add(name=output)
    return frozen.SerializeToString()


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "no IteratorGetNext in it"),
        (random.Random(0).randbytes(999), "not a whole frozen graph"),
        (graph()[:-5], "not a whole frozen graph"),
        (b"\x0a" * 9999, "not a whole frozen graph"),
        (graph(output="bert/pooler"), "no bert/pooler/dense/Tanh in it"),
        (graph(2), "has no shape"),
        (graph(-1), "has no shape"),
        (graph(1 << 40), "has no shape"),
    ],
)
def test_a_graph_that_lies_is_one_clear_line(data, message, tmp_path):
    (tmp_path / "film.pb").write_bytes(graph())
    assert read_length(tmp_path / "film.pb") == 8
    (tmp_path / "film.pb").write_bytes(data)
    with pytest.raises(SystemExit, match=f"film.pb: .*{message}"):
        read_length(tmp_path / "film.pb")
    os.truncate(tmp_path / "film.pb", 1 << 40)
    with pytest.raises(SystemExit, match="film.pb: not a whole frozen graph"):
        read_length(tmp_path / "film.pb")


@pytest.mark.more
@given(BYTES)
def test_a_graph_is_read_or_refused(path, data):
    path.write_bytes(data)
    length = answer_or_line(read_length, path)
    assert length is None or 3 <= length <= MAX_LENGTH
