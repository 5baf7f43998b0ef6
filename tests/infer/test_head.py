"""The head in NumPy: a softmax that can't overflow, files that are refused in one line and run nothing."""

import os
import struct

import numpy as np
import pytest
from fuzzing import given, st

from infer.head import MAX_HEAD, load_head, read_npy, softmax
from infer.text.labels import write_labels


def test_softmax_cannot_overflow():
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(softmax(np.float32([1e30, 1e30])), [0.5, 0.5])
        np.testing.assert_allclose(softmax(np.float32([[-5e4, 5e4]])), [[0, 1]])
    rows = np.float32([[7, 7 + np.log(3)], [-9, -9], [2 + np.log(4), 2]])
    np.testing.assert_allclose(softmax(rows), [[0.25, 0.75], [0.5, 0.5], [0.8, 0.2]], rtol=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_head_is_read_as_it_was_written(order, tmp_path):
    weight, bias = np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([7, 8])
    np.save(tmp_path / "weight.npy", np.asarray(weight, order=order))
    np.save(tmp_path / "bias.npy", bias)
    *read, labels = load_head(tmp_path, 3)
    assert [array.tolist() for array in read] == [weight.tolist(), bias.tolist()] and labels == ["Negative", "Positive"]
    (tmp_path / "most.npy").write_bytes(npy(FLOATS % f"({(MAX_HEAD - 128) // 4},)", bytes(MAX_HEAD - 128)))
    assert read_npy(tmp_path / "most.npy").nbytes == MAX_HEAD - 128


def test_a_head_of_many_labels_has_their_names_beside_it(tmp_path):
    np.save(tmp_path / "weight.npy", np.zeros((3, 4), np.float32))
    np.save(tmp_path / "bias.npy", np.zeros(3, np.float32))
    assert load_head(tmp_path, 4)[2] == ["0", "1", "2"]
    write_labels(tmp_path, ["gut", "schlecht", "weiß nicht"])
    assert load_head(tmp_path, 4)[2] == ["gut", "schlecht", "weiß nicht"]
    write_labels(tmp_path, ["gut", "schlecht"])
    with pytest.raises(SystemExit, match="labels.txt: 2 labels, but the model has 3: they belong to different models"):
        load_head(tmp_path, 4)


@pytest.mark.parametrize(
    "weight, bias", [((2, 4), (2,)), ((2, 2), (2,)), ((2, 3), (1,)), ((2, 3), (3,)), ((1, 3), (1,))]
)
def test_a_head_of_other_shapes_is_refused(weight, bias, tmp_path):
    np.save(tmp_path / "weight.npy", np.zeros(weight, np.float32))
    np.save(tmp_path / "bias.npy", np.zeros(bias, np.float32))
    with pytest.raises(SystemExit) as end:
        load_head(tmp_path, 3)
    assert f"hidden size 3, but weight.npy is {weight} and bias.npy {bias}: they belong" in end.value.code


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
    "a row": (lambda path: np.save(path, np.zeros(2, np.float32)), "of shape (2,) is not a classifier head"),
    "a cube": (lambda path: np.save(path, np.zeros((1, 2, 2), np.float32)), "of shape (1, 2, 2) is not a"),
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
