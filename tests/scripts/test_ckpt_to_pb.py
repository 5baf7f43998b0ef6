"""What ckpt_to_pb.py freezes, and what it refuses."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from modules import run
from training import PORTS, cut, fails, spoilt

from tf1.encoder import find_obstacle

FOUR = ("input_ids", "input_mask", "label_ids", "segment_ids")
FIVE = ("input_ids", "input_mask", "is_real_example", "label_ids", "segment_ids")


def small_graph(names=FOUR, batch=None, dtype=tf.float32, dropout=False):
    """Returns the GraphDef of something that reads ids of length 16 by the ports that these features get."""
    with tf.Graph().as_default() as graph:
        shape = tf.TensorShape([batch, 16])
        types, shapes = (dict.fromkeys(names, value) for value in (tf.int32, shape))
        features = tf.compat.v1.data.Iterator.from_structure(types, shapes).get_next()
        with tf.compat.v1.variable_scope("bert"):
            weight = tf.compat.v1.get_variable("weight", [16, 4], dtype)
        ids = tf.add_n([features[name] for name in ("input_ids", "input_mask", "segment_ids")])
        output = tf.matmul(tf.cast(ids, dtype), weight)
        if dropout:
            output += tf.random.uniform([4])
        tf.tanh(output, name="output")
        return tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), ["output"])


@pytest.mark.parametrize(
    "changes, max_seq_length, why",
    [
        ({}, None, None),
        ({}, 16, None),
        ({}, 32, "the checkpoint's own is of length 16"),
        ({"batch": 32}, None, "the checkpoint's own is for batches of 32"),
        ({"names": FIVE}, None, "the checkpoint's own reads IteratorGetNext:0, IteratorGetNext:1, IteratorGetNext:4"),
        ({"dtype": tf.float16}, None, "the checkpoint's own is not of float32"),
        ({"dropout": True}, None, "the checkpoint's own has dropout"),
    ],
)
def test_the_guides_way_is_taken_where_the_graph_allows(changes, max_seq_length, why):
    assert find_obstacle(small_graph(**changes), max_seq_length) == why


@pytest.mark.process
def test_l12_freezes_to_the_guides_1636_ops(l12):
    graph_def = tf.compat.v1.GraphDef()
    with open(l12 + "/bert-finetune.pb", "rb") as file:
        graph_def.ParseFromString(file.read())
    assert len(graph_def.node) == 1636
    nodes = {node.name: node for node in graph_def.node}
    assert "bert/pooler/dense/Tanh" in nodes and not any("dropout" in name for name in nodes)
    for port in (0, 1, 3):
        shape = nodes["IteratorGetNext"].attr["output_shapes"].list.shape[port]
        assert [dim.size for dim in shape.dim] == [-1, 16]


def read_graph(path):
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(path.read_bytes())
    return graph_def


def pooled(graph_def, times=1):
    """Returns what a frozen encoder answers to the same ids: a list of float32 (1, hidden)."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        (output,) = tf.import_graph_def(graph_def, return_elements=["bert/pooler/dense/Tanh:0"], name="")
        length = session.graph.get_tensor_by_name(PORTS[0]).shape[1].value
        return [session.run(output, dict.fromkeys(PORTS, [[1] * length])) for _ in range(times)]


def freeze(prefix, path, *more):
    """Returns (GraphDef, what ckpt_to_pb.py printed)."""
    done = run("ckpt_to_pb.py", f"--init_checkpoint={prefix}", f"--output_file={path}", *more)
    assert done.returncode == 0, done.stderr
    return read_graph(path), done.stdout


@pytest.mark.more
@pytest.mark.process
def test_l12_without_its_graph_has_as_many_ops(l12, tmp_path):
    own, _ = freeze(l12 + "/result2/model.ckpt-2", tmp_path / "own.pb")
    for end in (".index", ".data-00000-of-00001"):
        shutil.copy(l12 + "/result2/model.ckpt-2" + end, str(tmp_path))
    config = f"--bert_config_file={l12}/pretrained/bert_config.json"
    anew, printed = freeze(tmp_path / "model.ckpt-2", tmp_path / "anew.pb", config, "--max_seq_length=16")
    assert "anew.pb: the graph is built anew, without dropout: the checkpoint comes without one" in printed
    assert len(anew.node) == 1636
    np.testing.assert_allclose(pooled(anew), pooled(own), atol=1e-6, rtol=0)


@pytest.mark.process
def test_a_first_phase_is_frozen_without_dropout(trained, tiny, tmp_path):
    """In a graph whose heads, activation and length are those of its own."""
    graph_def, printed = freeze(f"{trained}/model.ckpt-3", tmp_path / "out.pb")
    assert "out.pb: the graph is built anew, without dropout: the checkpoint's own has dropout" in printed
    assert not any("Random" in node.op for node in graph_def.node)
    first, second = pooled(graph_def, 2)
    assert (first == second).all()
    nodes = {node.name: node for node in graph_def.node}
    assert [dim.size for dim in nodes["IteratorGetNext"].attr["output_shapes"].list.shape[3].dim] == [-1, 16]
    config = f"--bert_config_file={tiny}/bert_config.json"
    for end in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{trained}/model.ckpt-3{end}", str(tmp_path))
    told, _ = freeze(tmp_path / "model.ckpt-3", tmp_path / "told.pb", config, "--max_seq_length=16")
    np.testing.assert_array_equal(first, pooled(told)[0])
    longer, printed = freeze(f"{trained}/model.ckpt-3", tmp_path / "longer.pb", "--max_seq_length=64")
    assert (
        next(node for node in longer.node if node.name == "IteratorGetNext")
        .attr["output_shapes"]
        .list.shape[0]
        .dim[1]
        .size
        == 64
    )


@pytest.mark.process
def test_in_a_graph_that_is_given_dropout_stays(trained, tmp_path):
    """As upstream draws it, which OpenVINO converts: tests/products/test_compare.py has it do so."""
    given = f"--meta_graph={trained}/model.ckpt-3.meta"
    graph_def, printed = freeze(f"{trained}/model.ckpt-3", tmp_path / "out.pb", given)
    assert "out.pb: 7 of them draw dropout's random numbers" in printed
    assert not any("Stateless" in node.op for node in graph_def.node)
    first, second = pooled(graph_def, 2)
    assert (first != second).any() and np.isfinite(first).all()


@pytest.mark.process
@pytest.mark.parametrize(
    "flags, message",
    [
        ((), "model.ckpt-3: nothing tells its sequence length: give the one that it was trained with"),
        (("--max_seq_length=65",), "a sequence length of 65: choose 3 to 64, the positions of"),
        (
            ("--max_seq_length=16", "--bert_config_file=/nowhere/c.json"),
            "model.ckpt-3.meta and /nowhere/c.json: no such files",
        ),
        (
            ("--max_seq_length=16", "hidden_size"),
            "bert/embeddings/word_embeddings is float32 of shape (30522, 32), not",
        ),
        (("--max_seq_length=16", "num_hidden_layers"), "no bert/encoder/layer_2/"),
    ],
)
def test_what_a_checkpoint_without_its_graph_lacks_is_one_clear_line(flags, message, trained, tiny, tmp_path):
    for end in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{trained}/model.ckpt-3{end}", str(tmp_path))
    with open(tiny + "/bert_config.json") as file:
        config = json.load(file)
    config.update((name, 2 * config[name]) for name in flags if name in config)
    (tmp_path / "bert_config.json").write_text(json.dumps(config))
    flags = [flag for flag in flags if flag not in config]
    (tmp_path / "out").mkdir()
    files = [f"--init_checkpoint={tmp_path}/model.ckpt-3", f"--output_file={tmp_path}/out/x.pb"]
    assert message in fails("ckpt_to_pb.py", *files, *flags)
    assert not os.listdir(str(tmp_path / "out"))


@pytest.mark.process
def test_a_pretrained_or_missing_checkpoint_is_no_fine_tuned_one(tiny, tmp_path):
    out = [f"--output_file={tmp_path}/out.pb", f"--init_checkpoint={tiny}/bert_model.ckpt"]
    assert "bert_model.ckpt" in fails("ckpt_to_pb.py", *out)
    fails("ckpt_to_pb.py", out[0], "--init_checkpoint=/nowhere/model.ckpt-1")
    assert not list(tmp_path.iterdir())


@pytest.mark.process
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
