"""Run by test_checkpoints.py in the tf1 environment: a checkpoint as the notebook leaves one, and what it answers.

python tests/pipeline/notebook_checkpoint.py HUB_MODULE VOCAB_FILE TEXTS OUTPUT_DIR: a TF Hub module without tags, the
notebook's head with its dropout in training, tf.estimator.Estimator, upstream's input; none of this repository's code.
Predicts without that dropout, which the notebook leaves in.
"""

import sys

import tensorflow as tf
import tensorflow_hub as hub
from bert import optimization, run_classifier, tokenization

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
handle, vocab_file, texts, output_dir = sys.argv[1:]
LENGTH = 24
tokenizer = tokenization.FullTokenizer(vocab_file, do_lower_case=True)


def to_input_fn(rows, is_training):
    examples = [run_classifier.InputExample(None, text, None, label) for text, label in rows]
    features = run_classifier.convert_examples_to_features(examples, [0, 1], LENGTH, tokenizer)
    return run_classifier.input_fn_builder(features, LENGTH, is_training, drop_remainder=False)


def model_fn(features, labels, mode, params):
    inputs = {name: features[name] for name in ("input_ids", "input_mask", "segment_ids")}
    pooled = hub.Module(handle, trainable=True)(inputs, signature="tokens", as_dict=True)["pooled_output"]
    weights = tf.compat.v1.get_variable("output_weights", [2, pooled.shape[-1].value])
    bias = tf.compat.v1.get_variable("output_bias", [2])
    training = mode == tf.estimator.ModeKeys.TRAIN
    with tf.compat.v1.variable_scope("loss"):
        if training:
            pooled = tf.nn.dropout(pooled, keep_prob=0.9)
        log_probs = tf.nn.log_softmax(tf.matmul(pooled, weights, transpose_b=True) + bias)
    if not training:
        return tf.estimator.EstimatorSpec(mode, predictions={"probabilities": tf.exp(log_probs)})
    loss = -tf.reduce_mean(tf.reduce_sum(tf.one_hot(features["label_ids"], 2) * log_probs, axis=-1))
    train_op = optimization.create_optimizer(loss, 1e-3, 12, 1, use_tpu=False)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


estimator = tf.estimator.Estimator(model_fn, output_dir, params={"batch_size": 8})
estimator.train(to_input_fn([("a fine film", 1), ("a dull film", 0), ("great", 1), ("no fun", 0)] * 8, True), steps=12)
with open(texts, encoding="utf-8") as file:
    rows = [(line.rstrip("\n"), 0) for line in file]
with open(output_dir + "/test_results.tsv", "w") as file:
    for prediction in estimator.predict(to_input_fn(rows, False)):
        file.write("\t".join(map(str, prediction["probabilities"])) + "\n")
