"""The head in NumPy: a softmax that can't overflow, files that are refused in one line and run nothing."""

import os
import struct

import numpy as np
import pytest
from fuzzing import given, st

from infer.head import load_head, read_npy, softmax


def test_softmax_cannot_overflow():
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(softmax(np.float32([1e30, 1e30])), [0.5, 0.5])
        np.testing.assert_allclose(softmax(np.float32([[-5e4, 5e4]])), [[0, 1]])
    np.testing.assert_allclose(softmax(np.float32([[7, 7 + np.log(3)]])), [[0.25, 0.75]], rtol=1e-6)


class Marked:
    """Unpickled, makes a file of its own."""

    def __reduce__(self):
        return os.mkdir, ("run-from-data",)


def npy(head, data=bytes(16)):
    """The bytes of an .npy with that header."""
    text = head.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def pickled(path):
    np.save(path, np.array([[Marked()]]), allow_pickle=True)


def archived(path):
    np.savez(path, np.zeros((2, 2), np.float32))
    os.replace(f"{path}.npz", path)


FLOATS = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
HEADS = {
    "pickle": (pickled, "cannot read the classifier head"),
    "bare pickle": (
        lambda path: path.write_bytes(b"cos\nmkdir\n(S'run-from-data'\ntR."),
        "magic string is not correct",
    ),
    "zip": (archived, "magic string is not correct"),
    "shape": (lambda path: path.write_bytes(npy(FLOATS % "(2, 1000000000000)")), "cannot read the classifier head"),
    "overflow": (lambda path: path.write_bytes(npy(FLOATS % f"(2, {1 << 70})")), "cannot read the classifier head"),
    "negative": (lambda path: path.write_bytes(npy(FLOATS % "(2, -2)")), "cannot read the classifier head"),
    "cut": (lambda path: path.write_bytes(npy(FLOATS % "(2, 2)", bytes(15))), "cannot read the classifier head"),
    "call": (lambda path: path.write_bytes(npy("__import__('os').mkdir('x')")), "cannot read the classifier head"),
    "brackets": (lambda path: path.write_bytes(npy("(" * 110)), "cannot read the classifier head"),
    "long header": (lambda path: path.write_bytes(b"\x93NUMPY\2\0\xff\xff\xff\xff"), "cannot read the classifier head"),
    "version": (lambda path: path.write_bytes(b"\x93NUMPY\7\0" + bytes(99)), "cannot read the classifier head"),
    "three labels": (lambda path: np.save(path, np.zeros((3, 2), np.float32)), "they belong to different models"),
    "type": (lambda path: np.save(path, np.zeros((2, 2), "S4")), "is not a classifier head"),
    "NaN": (lambda path: np.save(path, np.full((2, 2), np.nan, np.float32)), "some of it is NaN or infinite"),
    "empty": (lambda path: path.write_bytes(b""), "cannot read the classifier head"),
    "huge": (lambda path: os.truncate(path, 1 << 40), "more than 16777216 bytes"),
}


@pytest.mark.parametrize("spoil, message", HEADS.values(), ids=HEADS)
def test_a_head_that_lies_is_one_clear_line_and_runs_nothing(spoil, message, head, memory, monkeypatch):
    monkeypatch.chdir(head)
    before = sorted(os.listdir())
    spoil(head / "weight.npy")
    memory()
    with pytest.raises(SystemExit) as end:
        load_head(head, 2)
    assert message in end.value.code and "\n" not in end.value.code
    assert sorted(os.listdir()) == before


@pytest.mark.more
@given(st.text(alphabet="{}[]()',:<>f48i|O shapedcrtnoFulTre-0123456789 ", max_size=110), st.binary(max_size=40))
def test_a_head_that_is_read_is_an_array(path, header, data):
    path.write_bytes(b"\x93NUMPY\1\0" + bytes([len(header) + 1, 0]) + header.encode() + b"\n" + data)
    try:
        assert read_npy(path).nbytes <= len(data)
    except Exception as error:
        assert not isinstance(error, MemoryError)
