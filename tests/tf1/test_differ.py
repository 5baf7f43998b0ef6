"""By how much checkpoints, graphs and curves differ, and what of them does not count."""

import glob
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from training import ROOT

from tf1.checkpoint import save
from tf1.differ import differ, parse


def write_run(folder, scale=1.0, loss=0.5):
    """Writes a checkpoint with its .meta and an event file, as a short run would."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        step = tf.compat.v1.train.get_or_create_global_step()
        weights = tf.compat.v1.get_variable("output_weights", initializer=np.float32([1, 2, scale]))
        tf.cond(step > 0, lambda: tf.identity(weights), lambda: weights * 2, name="choose")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt-1"))
        tf.io.write_graph(graph, str(folder), "graph.pbtxt")
        with tf.compat.v1.summary.FileWriter(str(folder)) as writer:
            for tag, value in (("loss", loss), ("global_step/sec", np.random.rand())):
                writer.add_summary(tf.compat.v1.Summary(value=[{"tag": tag, "simple_value": value}]), 1)
    return folder


def run_again(folder, **changes):
    """The same in another process, where names in sets have another order."""
    folder.mkdir()
    script = "import pathlib, sys; sys.path.insert(0, 'tests/tf1'); sys.path.insert(0, 'tests/support')\n"
    script += f"import test_differ; test_differ.write_run(pathlib.Path({str(folder)!r}), **{changes!r})"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return folder


ENDS = ("model.ckpt-1.index", "model.ckpt-1.meta", "graph.pbtxt", "events.out.tfevents.*")


def find(folder, end):
    (path,) = glob.glob(str(folder / end))
    return path


@pytest.mark.more
def test_two_runs_of_the_same_do_not_differ(tmp_path):
    first, second = run_again(tmp_path / "first"), run_again(tmp_path / "second")
    for end in ENDS:
        assert differ(find(first, end), find(second, end)) == ("", 0.0), end
    metas = [open(find(folder, ENDS[1]), "rb").read() for folder in (first, second)]
    assert metas[0] != metas[1], "they are the same to the byte, so this tests nothing"


def test_other_weights_and_curves_are_told(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, second = write_run(tmp_path / "first"), write_run(tmp_path / "second", scale=1.25, loss=0.75)
    assert differ(find(first, ENDS[0]), find(second, ENDS[0])) == ("up to 2.5e-01, in output_weights", 0.25)
    assert differ(find(first, ENDS[3]), find(second, ENDS[3])) == ("up to 2.5e-01, in loss", 0.25)
    text, largest = differ(find(first, ENDS[1]), find(second, ENDS[1]))
    assert largest == 0.25 and "initial_value" in text


def test_another_operation_in_a_meta_graph_is_told(tmp_path):
    (tmp_path / "first").mkdir()
    path = find(write_run(tmp_path / "first"), ENDS[1])
    for change in (
        lambda meta: meta.graph_def.node.add(name="more", op="NoOp"),
        lambda meta: meta.graph_def.node.remove(meta.graph_def.node[-1]),
        lambda meta: meta.collection_def["losses"].node_list.value.append("more"),
    ):
        meta = parse(tf.compat.v1.MetaGraphDef(), path)
        change(meta)
        (tmp_path / "other.meta").write_bytes(meta.SerializeToString())
        text, largest = differ(path, str(tmp_path / "other.meta"))
        assert text and largest is None


def test_variables_of_another_name_or_shape_are_told(tmp_path):
    save({"a": np.float32([1])}, str(tmp_path / "one"))
    save({"b": np.float32([1])}, str(tmp_path / "two"))
    save({"a": np.float32([1, 2])}, str(tmp_path / "three"))
    one, two, three = (str(tmp_path / name) + ".index" for name in ("one", "two", "three"))
    assert differ(one, two) == ("a is gone", None)
    assert differ(one, three) == ("a is float32 (2,), was float32 (1,)", None)


@pytest.mark.process
def test_what_cannot_be_read_is_a_difference(tmp_path):
    (tmp_path / "one.meta").write_bytes(b"no graph")
    shutil.copy(str(tmp_path / "one.meta"), str(tmp_path / "two.meta"))
    command = [sys.executable, "-m", "tf1.differ", str(tmp_path / "one.meta"), str(tmp_path / "two.meta")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and '"difference": "cannot be read' in done.stdout, done.stderr
