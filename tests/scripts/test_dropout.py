"""Dropout's masks follow from the seed, the worker, the place and the step, so a resumed run is an undisturbed one."""

import json
import os
import shutil
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import flagsaver
from bert import modeling
from modules import run
from training import ROOT, export_with_head, flags

import run_classifier

FEATURES = {name: np.ones((4, 16), np.int32) for name in ("input_ids", "input_mask", "segment_ids")}
FEATURES["label_ids"] = np.array([0, 1, 1, 0], np.int32)
DROPOUTS = 8  # of the embeddings, three in each of two layers, of the head


def draw_masks(step=0, rank=0, random_seed=0, module=None):
    """Returns what a training step draws for its dropouts, of FEATURES: a list of float arrays."""
    run_classifier.FLAGS(["run_classifier.py"])
    with open(os.path.join(ROOT, "profiles/tiny.json")) as file:
        config = modeling.BertConfig(**json.load(file))
    values = flagsaver.flagsaver(random_seed=random_seed, bert_hub_module_handle=module)
    with tf.Graph().as_default(), values, mock.patch.object(run_classifier.workers, "RANK", rank):
        model_fn = run_classifier.model_fn_builder(config, 2, None, 1e-3, 10, 1)
        features = {name: tf.constant(value) for name, value in FEATURES.items()}
        spec = model_fn(features, None, tf.estimator.ModeKeys.TRAIN, {})
        operations = tf.contrib.graph_editor.get_backward_walk_ops(spec.train_op, control_inputs=True)
        assert not any(op.type == "RandomUniform" for op in operations)
        masks = [
            op.outputs[0] for op in sorted(operations, key=lambda op: op.name) if op.type == "StatelessRandomUniform"
        ]
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            session.run(tf.compat.v1.train.get_global_step().assign(step))
            return session.run([masks, spec.train_op])[0]


def test_masks_follow_from_seed_worker_place_and_step_and_from_nothing_else():
    masks = draw_masks(step=3)
    assert len(masks) == DROPOUTS
    np.testing.assert_equal(draw_masks(step=3), masks)
    drawn = [masks, draw_masks(step=4), draw_masks(step=3, rank=1), draw_masks(step=3, random_seed=1)]
    rows = [mask.ravel()[:128] for masks in drawn for mask in masks]
    assert len({row.tobytes() for row in rows}) == 4 * DROPOUTS
    # Drawn apart from each other, not just shifted: no more is dropped at once than chance has it.
    dropped = np.concatenate(rows).reshape(len(rows), -1) < 0.1
    assert abs(dropped.mean() - 0.1) < 0.02
    together = np.corrcoef(dropped) - np.eye(len(rows))
    assert np.abs(together).max() < 0.5


@pytest.mark.more
@pytest.mark.process
def test_a_modules_masks_too(tiny, tmp_path):
    module = export_with_head(tiny, tmp_path)
    masks = draw_masks(step=3, module=module)
    assert len(masks) == DROPOUTS
    np.testing.assert_equal(draw_masks(step=3, module=module), masks)
    others = draw_masks(step=4, module=module), draw_masks(step=3, rank=1, module=module)
    for other in others:
        assert all((mask != another).any() for mask, another in zip(masks, other))


@pytest.mark.process
@pytest.mark.parametrize("way", ["checkpoint", pytest.param("module", marks=pytest.mark.more)])
def test_a_resumed_run_is_the_undisturbed_one_to_the_bit(way, tiny, data_dir, tmp_path):
    """Eight steps in a row, and the last four again, from the checkpoint that a killed run leaves."""
    given = flags(
        tiny, data_dir, tmp_path / "whole", num_train_epochs=3.2, save_checkpoints_steps=4, learning_rate=1e-3
    )
    if way == "module":
        given = [flag for flag in given if not flag.startswith(("--init_checkpoint", "--vocab", "--bert_config"))]
        given.append("--bert_hub_module_handle=" + export_with_head(tiny, tmp_path))
    command = ["run_classifier.py", "--do_train=true", "--deterministic=true", *given]
    done = run(*command)
    assert done.returncode == 0, done.stderr

    (tmp_path / "resumed").mkdir()
    for path in (tmp_path / "whole").glob("model.ckpt-4.*"):
        shutil.copy(str(path), str(tmp_path / "resumed"))
    (tmp_path / "resumed/checkpoint").write_text('model_checkpoint_path: "model.ckpt-4"\n')
    done = run(*command, f"--output_dir={tmp_path}/resumed")
    assert done.returncode == 0 and "at step 4 of 8" in done.stdout, done.stderr
    whole, resumed = (tf.train.load_checkpoint(str(tmp_path / name / "model.ckpt-8")) for name in ("whole", "resumed"))
    at_first = tf.train.load_checkpoint(str(tmp_path / "whole/model.ckpt-4"))
    names = whole.get_variable_to_shape_map()
    assert len(names) > 100
    for name in names:
        np.testing.assert_array_equal(whole.get_tensor(name), resumed.get_tensor(name), name)
    assert (whole.get_tensor("output_weights") != at_first.get_tensor("output_weights")).any()
