"""Predicts reviews with a fine-tuned checkpoint in TensorFlow, and prints them in the guide's format.

Runs in the tf1 environment; the model, its input and its flags are those of run_classifier.py.
"""

import os
import sys
import tempfile

import numpy as np

import run_classifier
from infer.text.examples import read_lines
from infer.text.labels import read_labels
from infer.text.long import count, say
from infer.text.tokenizer import load_tokenizer, read_vocab
from run_classifier import upstream
from tf1.checkpoint import read_model, restorable
from tf1.flags import FLAGS, flags, run

flags.DEFINE_string("predict_file", "infer/reviews.txt", "The reviews to predict, one a line; the guide's four.")


def main():
    if not FLAGS.do_predict or FLAGS.do_train or FLAGS.do_eval:
        sys.exit("this script only predicts: use --do_train=false --do_eval=false --do_predict=true")
    if not FLAGS.init_checkpoint:
        sys.exit("--init_checkpoint is required: the fine-tuned checkpoint")
    bert_config, vocab_file, do_lower_case = run_classifier.read_model()
    variables = read_model(FLAGS.init_checkpoint)
    if "output_weights" not in variables:
        sys.exit(f"{FLAGS.init_checkpoint}: no output_weights: not a fine-tuned checkpoint")
    labels = read_labels(os.path.dirname(FLAGS.init_checkpoint), len(variables["output_weights"]))
    reviews = read_lines(FLAGS.predict_file)
    os.makedirs(FLAGS.output_dir, exist_ok=True)
    room, ids = FLAGS.max_seq_length - 2, load_tokenizer(read_vocab(vocab_file), do_lower_case)(reviews)
    say(FLAGS.predict_file, count([len(review) for review in ids], room), room, advice="")
    features = run_classifier.to_features(((review, 0) for review in reviews), vocab_file, do_lower_case)
    input_fn = upstream.input_fn_builder(features, FLAGS.max_seq_length, is_training=False, drop_remainder=False)
    with tempfile.TemporaryDirectory(dir=FLAGS.output_dir) as folder:
        if bert_config:
            FLAGS.init_checkpoint = restorable(FLAGS.init_checkpoint, folder)
        estimator = run_classifier.make_estimator(bert_config, len(labels))
        predictions = estimator.predict(input_fn, checkpoint_path=FLAGS.init_checkpoint)
        probabilities = [prediction["probabilities"] for prediction in predictions]

    np.set_printoptions(linewidth=sys.maxsize)  # a review is a line, however many its labels
    # predictions.txt has the guide's format; test_results.tsv has upstream's, for comparison.
    lines = [f"{(review, row, labels[row.argmax()])}\n" for review, row in zip(reviews, probabilities)]
    write("predictions.txt", lines)
    write("test_results.tsv", ["\t".join(map(str, row)) + "\n" for row in probabilities])
    print("".join(lines), end="")


def write(name, lines):
    """Writes lines to a file in --output_dir, completely or not at all."""
    path = os.path.join(FLAGS.output_dir, name)
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.replace(path + ".part", path)


if __name__ == "__main__":
    run(main)
