"""Writes the graph of the fine-tuned model at another sequence length: python -m bench.guide --max_seq_length=128 …

Runs in the tf1 environment, with run_classifier.py's flags. With it, `ckpt_to_pb.py
--meta_graph=OUTPUT_DIR/graph.meta` freezes a checkpoint's weights in the guide's graph, padded to 128, whatever length
the training had.
"""

import os

import run_classifier
from run_classifier import tf, upstream
from tf1.flags import FLAGS, run


def main():
    bert_config, vocab_file, do_lower_case = run_classifier.read_model()
    os.makedirs(FLAGS.output_dir, exist_ok=True)
    features = run_classifier.to_features([("", 0)], vocab_file, do_lower_case)
    input_fn = upstream.input_fn_builder(features, FLAGS.max_seq_length, is_training=False, drop_remainder=False)
    with tf.Graph().as_default():
        dataset = input_fn({"batch_size": 1})
        features = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        model_fn = run_classifier.model_fn_builder(bert_config, 2, None, 0, None, None)
        model_fn(features, None, tf.estimator.ModeKeys.PREDICT, {})
        # Without the head, so that it takes the weights of a model of any number of labels.
        encoder = [var for var in tf.compat.v1.global_variables() if not var.op.name.startswith("output_")]
        saver = tf.compat.v1.train.Saver(encoder)
        part = os.path.join(FLAGS.output_dir, "graph.meta.part")
        tf.compat.v1.train.export_meta_graph(part, saver_def=saver.as_saver_def())
    os.replace(part, part[: -len(".part")])


if __name__ == "__main__":
    run(main)
