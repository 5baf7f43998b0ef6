"""Checkpoints that are broken or lie: one clear line."""

import os

import numpy as np
import pytest
import tensorflow as tf
from training import cut, spoilt

from tf1.checkpoint import read_checkpoint, read_model, restorable, save


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


@pytest.mark.parametrize("dtype", [np.float16, tf.bfloat16.as_numpy_dtype], ids=["float16", "bfloat16"])
def test_narrow_weights_are_widened(dtype, tmp_path):
    value = np.array([1 / 3, -2], np.float32).astype(dtype)
    save({"output_bias": value, "bert/pooler/dense/bias": value, "global_step": np.int64(7)}, str(tmp_path / "narrow"))
    found = read_model(str(tmp_path / "narrow"))
    assert set(found) == {"output_bias", "bert/pooler/dense/bias"}
    for array in found.values():
        assert array.dtype == np.float32 and array.tolist() == value.astype(np.float32).tolist()
    copy = restorable(str(tmp_path / "narrow"), str(tmp_path))
    assert {array.dtype for array in read_checkpoint(copy).values()} == {np.dtype("f4"), np.dtype("i8")}
    save({"output_bias": np.array([np.nan], np.float32).astype(dtype)}, str(tmp_path / "nan"))
    with pytest.raises(SystemExit, match="output_bias has NaN or infinite values"):
        read_model(str(tmp_path / "nan"))


def test_of_a_model_only_its_weights_are_read_by_google_researchs_names(tmp_path):
    values = {name: np.full(2, i, np.float32) for i, name in enumerate(["bert/a/bias", "output_bias", "cls/b", "loss"])}
    more = {f"{name}/{slot}": value for name, value in values.items() for slot in ("adam_m", "adam_v")}
    save(dict(values, **more, global_step=np.int64(7)), str(tmp_path / "own"))
    assert {name: value[0] for name, value in read_model(str(tmp_path / "own")).items()} == {
        "bert/a/bias": 0,
        "output_bias": 1,
    }
    assert restorable(str(tmp_path / "own"), str(tmp_path)) == str(tmp_path / "own")
    save({"module/bert/a/bias": values["loss"], "module/cls/b": values["cls/b"]}, str(tmp_path / "module"))
    assert {name: value[0] for name, value in read_model(str(tmp_path / "module")).items()} == {"bert/a/bias": 3}
    copy = restorable(str(tmp_path / "module"), str(tmp_path))
    assert set(read_checkpoint(copy)) == {"bert/a/bias", "global_step"}
