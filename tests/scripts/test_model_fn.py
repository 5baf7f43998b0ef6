"""The graphs of run_classifier.py's model_fn, built but not trained."""

import pytest
import tensorflow as tf
from bert import modeling

import run_classifier

LENGTH = 8
CONFIG = modeling.BertConfig(50, 16, 1, 2, 32, max_position_embeddings=LENGTH)
Modes = tf.estimator.ModeKeys


@pytest.mark.parametrize("mode, dropout", [(Modes.TRAIN, True), (Modes.EVAL, False), (Modes.PREDICT, False)])
def test_only_training_drops_out(mode, dropout):
    run_classifier.FLAGS(["run_classifier.py"])
    with tf.Graph().as_default() as graph:
        tf.compat.v1.train.get_or_create_global_step()
        features = {name: tf.ones([4, LENGTH], tf.int32) for name in ("input_ids", "input_mask", "segment_ids")}
        features["label_ids"] = tf.ones([4], tf.int32)
        run_classifier.model_fn_builder(CONFIG, 2, None, 1e-3, 10, 1)(features, None, mode, {})
        scopes = {
            operation.name.split("/dropout")[0] for operation in graph.get_operations() if "/dropout" in operation.name
        }
    wanted = {"bert/embeddings", "bert/encoder/layer_0/attention/self", "bert/encoder/layer_0/attention/output"}
    wanted |= {"bert/encoder/layer_0/output", "loss"}
    assert {scope for scope in scopes if not scope.startswith("gradients")} == (wanted if dropout else set())
