"""Exports the classifier head, which the .pb leaves out, to NumPy files. Runs in the tf1 environment."""

import os
import sys

import numpy as np

from infer.text.labels import LABELS_FILE, read_labels, write_labels
from tf1.checkpoint import read_checkpoint
from tf1.flags import FLAGS, flags, run

flags.DEFINE_string("init_checkpoint", None, "The fine-tuned checkpoint.")
flags.DEFINE_string("output_dir", ".", "Where to write weight.npy (labels, hidden), bias.npy (labels,) and labels.txt.")

HEAD = {"output_weights": ("weight.npy", 2), "output_bias": ("bias.npy", 1)}  # variable: (file, number of dimensions)


def main():
    if not FLAGS.init_checkpoint:
        sys.exit("--init_checkpoint is required")
    variables = read_checkpoint(FLAGS.init_checkpoint)
    for name, (_, ndim) in HEAD.items():
        if name not in variables:
            sys.exit(f"{FLAGS.init_checkpoint}: no {name}: not a fine-tuned checkpoint")
        if variables[name].dtype != np.float32 or variables[name].ndim != ndim or len(variables[name]) < 2:
            found = f"{variables[name].dtype} of shape {variables[name].shape}"
            sys.exit(f"{FLAGS.init_checkpoint}: {name} is {found}: not a classifier head")
    labels = read_labels(os.path.dirname(FLAGS.init_checkpoint), len(variables["output_bias"]))
    for name, (file_name, _) in HEAD.items():
        path = os.path.join(FLAGS.output_dir, file_name)
        with open(path + ".part", "wb") as file:
            np.save(file, variables[name], allow_pickle=False)
        os.replace(path + ".part", path)
        print(f"{path}: {name} {variables[name].shape}")
    write_labels(FLAGS.output_dir, labels)
    print(f"{os.path.join(FLAGS.output_dir, LABELS_FILE)}: {', '.join(labels)}")


if __name__ == "__main__":
    run(main)
