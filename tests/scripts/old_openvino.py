"""Run by `make old-stack` on OpenVINO 2021.4: the guide's way from the IR to the answers, by its Inference Engine.

python tests/scripts/old_openvino.py MODEL.xml HEAD_DIR VOCAB REVIEWS PREDICTIONS: predicts the reviews with none of
this repository's code, prints them as the guide does, and by how much PREDICTIONS, what `make predict` printed for
them, differs. Exits with 1 if a label does.
"""

import ast
import json
import os
import re
import sys

import numpy as np
import tensorflow as tf
from bert.tokenization import FullTokenizer
from openvino.inference_engine import IECore, get_version

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
model, head_dir, vocab_file, reviews_file, predictions_file = sys.argv[1:]
weight, bias = (np.load(os.path.join(head_dir, name)) for name in ("weight.npy", "bias.npy"))
with open(os.path.join(head_dir, "labels.txt"), encoding="utf-8") as file:
    labels = file.read().splitlines()
casing_file = os.path.join(os.path.dirname(vocab_file), "tokenizer_config.json")
do_lower_case = json.load(open(casing_file))["do_lower_case"] if os.path.exists(casing_file) else True
tokenizer = FullTokenizer(vocab_file, do_lower_case)
core = IECore()
network = core.read_network(model, os.path.splitext(model)[0] + ".bin")
inputs = sorted(network.input_info)  # of ports 0, 1 and 3: input_ids, input_mask, segment_ids
(output,) = network.outputs
length = network.input_info[inputs[0]].input_data.shape[1]
# It would compute in bfloat16 where the CPU can, as the guide's could not.
executable = core.load_network(network, "CPU", {"ENFORCE_BF16": "NO"})

rows = []
with open(reviews_file, encoding="utf-8") as file:
    for review in file.read().splitlines():
        tokens = ["[CLS]"] + tokenizer.tokenize(review)[: length - 2] + ["[SEP]"]
        features = np.zeros((3, 1, length), np.int32)
        features[0, 0, : len(tokens)] = tokenizer.convert_tokens_to_ids(tokens)
        features[1, 0, : len(tokens)] = 1
        logits = (executable.infer(dict(zip(inputs, features)))[output] @ weight.T + bias)[0]
        probabilities = np.exp(logits - logits.max())
        rows.append((probabilities / probabilities.sum()).astype(np.float32))
        print((review, rows[-1], labels[rows[-1].argmax()]))

with open(predictions_file, encoding="utf-8") as file:
    today = np.array([ast.literal_eval(found) for found in re.findall(r"array\((\[.*?\])", file.read())])
old = np.array(rows)
changed = int((old.argmax(1) != today.argmax(1)).sum())
version, difference = get_version().split("-")[0], np.abs(old - today).max()
print(f"largest difference of OpenVINO {version} from today's: {difference:.1e}", end=" ")
print(f"on {len(old)} reviews, {changed} labels differ")
sys.exit(1 if changed else 0)
