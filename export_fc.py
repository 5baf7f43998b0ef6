"""Exports the classifier head, which the .pb leaves out, to NumPy files. Runs in the tf1 environment."""

import os
import sys

import numpy as np

from inputs.checkpoint import read_checkpoint
from inputs.flags import FLAGS, flags, run

flags.DEFINE_string("init_checkpoint", None, "The fine-tuned checkpoint.")
flags.DEFINE_string("output_dir", ".", "Where to write weight.npy (labels, hidden) and bias.npy (labels,).")

HEAD = {"output_weights": "weight.npy", "output_bias": "bias.npy"}


def main():
    if not FLAGS.init_checkpoint:
        sys.exit("--init_checkpoint is required")
    variables = read_checkpoint(FLAGS.init_checkpoint)
    for name in HEAD:
        if name not in variables:
            sys.exit(f"{FLAGS.init_checkpoint}: no {name}: not a fine-tuned checkpoint")
    for name, file_name in HEAD.items():
        path = os.path.join(FLAGS.output_dir, file_name)
        with open(path + ".part", "wb") as file:
            np.save(file, variables[name])
        os.replace(path + ".part", path)
        print(f"{path}: {name} {variables[name].shape}")


if __name__ == "__main__":
    run(main)
