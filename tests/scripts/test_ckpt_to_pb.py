"""What ckpt_to_pb.py freezes, and what it refuses."""

import os

import numpy as np
import pytest
import tensorflow as tf
from modules import run
from training import PORTS, cut, fails, spoilt

pytestmark = pytest.mark.process


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


def test_a_first_phase_freezes_with_upstreams_dropout(trained, tmp_path):
    """Which OpenVINO converts: tests/pipeline/test_compare.py has it do so."""
    done = run("ckpt_to_pb.py", f"--init_checkpoint={trained}/model.ckpt-3", f"--output_file={tmp_path}/out.pb")
    assert done.returncode == 0 and "out.pb: 7 of them draw dropout's random numbers" in done.stdout, done.stderr
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString((tmp_path / "out.pb").read_bytes())
    assert not any("Stateless" in node.op for node in graph_def.node)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        (pooled,) = tf.import_graph_def(graph_def, return_elements=["bert/pooler/dense/Tanh:0"], name="")
        first, second = (session.run(pooled, dict.fromkeys(PORTS, [[1] * 16])) for _ in range(2))
    assert (first != second).any() and np.isfinite(first).all()


def test_a_pretrained_or_missing_checkpoint_is_no_fine_tuned_one(tiny, tmp_path):
    out = [f"--output_file={tmp_path}/out.pb", f"--init_checkpoint={tiny}/bert_model.ckpt"]
    assert "bert_model.ckpt" in fails("ckpt_to_pb.py", *out)
    fails("ckpt_to_pb.py", out[0], "--init_checkpoint=/nowhere/model.ckpt-1")
    assert not list(tmp_path.iterdir())


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
