"""Command-line flags of the tf1 scripts, parsed strictly. Runs in the tf1 environment."""

import sys

import tensorflow as tf
from absl import app

from infer.text import script

# What TensorFlow logs as an error it also raises, and infer.text.script reports that.
tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.FATAL)

flags = tf.compat.v1.flags
FLAGS = flags.FLAGS


def run(main):
    """Parses the flags and calls main(), as tf.app.run does, but rejects what it does not know.

    Raises: SystemExit for an unknown flag, or an argument that is not a flag: `--do_eval false` would mean true.
    """

    def strict_main(argv):
        if argv[1:]:
            sys.exit(f"{argv[1]}: not a flag: write --flag=value")
        script.run(main)

    app.run(strict_main)
