"""Run in the tf1 environment: a checkpoint as the guide's original scripts left one in result2.

python tests/pipeline/guide_checkpoint.py PRETRAINED_DIR OUTPUT_DIR NUM_LABELS: upstream's own model, optimizer and
input, its dropout off by hand, through TPUEstimator; none of this repository's code.
"""

import sys

import tensorflow as tf
from bert import modeling, optimization, run_classifier, tokenization

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
pretrained_dir, output_dir, num_labels = sys.argv[1:]
LENGTH = 24  # not the tiny profile's
tokenizer = tokenization.FullTokenizer(pretrained_dir + "/vocab.txt", do_lower_case=True)
bert_config = modeling.BertConfig.from_json_file(pretrained_dir + "/bert_config.json")
texts = [("a fine film", 1), ("a dull film", 0)] * 4
examples = [run_classifier.InputExample(None, text, None, label) for text, label in texts]
features = run_classifier.convert_examples_to_features(examples, [0, 1], LENGTH, tokenizer)


def model_fn(features, labels, mode, params):
    ids = [features[name] for name in ("input_ids", "input_mask", "segment_ids", "label_ids")]
    loss, _, _, _ = run_classifier.create_model(
        bert_config, False, *ids, num_labels=int(num_labels), use_one_hot_embeddings=False
    )
    train_op = optimization.create_optimizer(loss, 1e-2, 2, 0, False)
    return tf.contrib.tpu.TPUEstimatorSpec(mode=mode, loss=loss, train_op=train_op)


tf.contrib.tpu.TPUEstimator(
    use_tpu=False,
    model_fn=model_fn,
    config=tf.contrib.tpu.RunConfig(model_dir=output_dir, tf_random_seed=1),
    train_batch_size=4,
).train(run_classifier.input_fn_builder(features, LENGTH, is_training=True, drop_remainder=False), max_steps=2)
