"""Checkpoints that are broken or lie: one clear line."""

import os

import numpy as np
import pytest
from training import cut, spoilt

from tf1.checkpoint import read_checkpoint
from tf1.pretrained import save


def flipped(path, where):
    """Flips a bit of a file."""
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(bytes(data))


INDEX, DATA = ".index", ".data-00000-of-00001"


@pytest.mark.parametrize(
    "end, spoil",
    [
        (INDEX, lambda path: flipped(path, 20)),
        (INDEX, lambda path: flipped(path, -1)),
        (INDEX, cut),
        (INDEX, lambda path: path.write_bytes(b"")),
        (INDEX, lambda path: path.write_bytes(os.urandom(4096))),
        (DATA, lambda path: flipped(path, 20)),
        (DATA, cut),
        (DATA, lambda path: path.unlink()),
    ],
)
def test_a_spoilt_checkpoint_is_one_clear_line(end, spoil, checkpoint, tmp_path):
    prefix = spoilt(checkpoint, tmp_path, end, spoil)
    with pytest.raises(SystemExit) as exit:
        read_checkpoint(prefix)
    assert exit.value.code.startswith(f"{prefix}: damaged or truncated checkpoint") and "\n" not in exit.value.code


@pytest.mark.parametrize("name, value", [("output_weights", [[np.nan]]), ("output_bias", [np.inf])])
def test_a_checkpoint_with_nan_or_infinite_weights_is_refused(name, value, tmp_path):
    save({name: np.array(value, np.float32)}, str(tmp_path / "model.ckpt-1"))
    with pytest.raises(SystemExit, match=f"model.ckpt-1: {name} has NaN or infinite values"):
        read_checkpoint(str(tmp_path / "model.ckpt-1"))


def test_a_checkpoint_that_claims_more_than_there_is_is_not_read(tmp_path):
    prefix = tmp_path / "model.ckpt-1"
    save({"output_weights": np.zeros((2, 1 << 20), np.float32)}, str(prefix))
    os.truncate(str(prefix) + DATA, 64)
    with pytest.raises(SystemExit, match="its tensors would take 8388608 bytes, more than its files have"):
        read_checkpoint(str(prefix))
