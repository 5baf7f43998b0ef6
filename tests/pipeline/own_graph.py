"""Run by test_checkpoints.py in the tf1 environment: what a checkpoint answers in TensorFlow, in a graph of its own.

python tests/pipeline/own_graph.py MODEL.META MODEL.CKPT VOCAB_FILE TEXTS OUTPUT: upstream's tokenizer, the training's
own graph in a session, its probabilities in a .tsv; none of this repository's code.
"""

import sys

import tensorflow as tf
from bert import run_classifier, tokenization

meta_graph, prefix, vocab_file, texts, output = sys.argv[1:]
saver = tf.compat.v1.train.import_meta_graph(meta_graph, clear_devices=True)
graph = tf.compat.v1.get_default_graph()
PORTS = {"input_ids": "IteratorGetNext:0", "input_mask": "IteratorGetNext:1", "segment_ids": "IteratorGetNext:3"}
length = graph.get_tensor_by_name(PORTS["input_ids"]).shape[1].value
with open(texts, encoding="utf-8") as file:
    examples = [run_classifier.InputExample(None, line.rstrip("\n"), None, 0) for line in file]
tokenizer = tokenization.FullTokenizer(vocab_file, do_lower_case=True)
features = run_classifier.convert_examples_to_features(examples, [0], length, tokenizer)
with tf.compat.v1.Session() as session, open(output, "w") as file:
    saver.restore(session, prefix)
    feed = {port: [getattr(feature, name) for feature in features] for name, port in PORTS.items()}
    for row in session.run("loss/Softmax:0", feed):
        file.write("\t".join(map(str, row)) + "\n")
