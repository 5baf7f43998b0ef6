"""Run by test_old_stack.py on TensorFlow 1.12: the guide's way from a checkpoint's weights to a frozen encoder.

python tests/scripts/old_stack.py BERT_CONFIG VOCAB CHECKPOINT IDS.npy OUTPUT_DIR: builds the graph anew, with none of
this repository's code, lets TPUEstimator save it, freezes that and runs it. Prints the number of ops; pooled.npy holds
the pooled output, float32 (reviews, hidden).
"""

import os
import sys

import numpy as np
import tensorflow as tf
from bert import modeling, optimization, run_classifier, tokenization

tf.logging.set_verbosity(tf.logging.ERROR)
config_file, vocab_file, init_checkpoint, ids_file, output_dir = sys.argv[1:]
OUTPUT = "bert/pooler/dense/Tanh"
# As in google-research/bert on GitHub; the released 1.0.1 has one op less.
modeling.tf.nn.embedding_lookup = lambda table, ids: tf.gather(table, tf.reshape(ids, [-1]))

bert_config = modeling.BertConfig.from_json_file(config_file)
tokenizer = tokenization.FullTokenizer(vocab_file, do_lower_case=True)
input_ids = np.load(ids_file)
length = input_ids.shape[1]
examples = [run_classifier.InputExample(None, "a fine film", None, 1)] * 4
features = run_classifier.convert_examples_to_features(examples, [0, 1], length, tokenizer)


def model_fn(features, labels, mode, params):
    ids = [features[name] for name in ("input_ids", "input_mask", "segment_ids", "label_ids")]
    loss, _, _, _ = run_classifier.create_model(bert_config, False, *ids, num_labels=2, use_one_hot_embeddings=False)
    variables = {variable.op.name: variable for variable in tf.trainable_variables()}
    tf.train.init_from_checkpoint(init_checkpoint, variables)
    train_op = optimization.create_optimizer(loss, 0.0, 1, 0, False)  # a rate of 0: the weights stay as they are
    return tf.contrib.tpu.TPUEstimatorSpec(mode=mode, loss=loss, train_op=train_op)


run_config = tf.contrib.tpu.RunConfig(model_dir=output_dir)
estimator = tf.contrib.tpu.TPUEstimator(use_tpu=False, model_fn=model_fn, config=run_config, train_batch_size=4)
estimator.train(run_classifier.input_fn_builder(features, length, is_training=True, drop_remainder=False), max_steps=1)

with tf.Graph().as_default() as graph, tf.Session() as session:
    checkpoint = os.path.join(output_dir, "model.ckpt-1")
    tf.train.import_meta_graph(checkpoint + ".meta", clear_devices=True).restore(session, checkpoint)
    frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [OUTPUT])
with tf.Graph().as_default(), tf.Session() as session:
    (pooled,) = tf.import_graph_def(frozen, return_elements=[OUTPUT + ":0"], name="")
    mask = (input_ids > 0).astype(np.int32)
    ports = {0: input_ids, 1: mask, 3: np.zeros_like(mask)}
    output = session.run(pooled, {f"IteratorGetNext:{port}": value for port, value in ports.items()})
np.save(os.path.join(output_dir, "pooled.npy"), output)
print(tf.__version__, len(frozen.node))
