"""Run by test_sources.py in the tf1 environment: a checkpoint's weights as Hugging Face has Google's.

python tests/pipeline/play_weights.py PRETRAINED_DIR FOLDER: names with bert., gamma and beta, linear weights
transposed, and a head of pre-training beside them, by none of this repository's code.
"""

import os
import re
import shutil
import sys

import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

pretrained, folder = sys.argv[1:]
reader = tf.train.load_checkpoint(os.path.join(pretrained, "bert_model.ckpt"))
tensors = {"cls.predictions.bias": np.zeros(4, np.float32), "cls.seq_relationship.weight": np.ones((2, 32), np.float32)}
for name in reader.get_variable_to_shape_map():
    value = reader.get_tensor(name)
    if name.endswith("/kernel"):
        name, value = name.replace("/kernel", "/weight"), np.ascontiguousarray(value.T)
    if name.endswith("_embeddings"):
        name += "/weight"
    tensors[re.sub(r"layer_(\d+)", r"layer.\1", name).replace("/", ".")] = value
os.makedirs(folder)
save_file(tensors, os.path.join(folder, "model.safetensors"))
shutil.copy(os.path.join(pretrained, "vocab.txt"), folder)
