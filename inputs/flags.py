"""Command-line flags of the tf1 scripts, parsed strictly. Runs in the tf1 environment."""

import sys

import tensorflow as tf
from absl import app

from inputs import script

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.FATAL)  # an error is raised too, and then said in a line

flags = tf.compat.v1.flags
FLAGS = flags.FLAGS


def run(main):
    """Calls main() once the flags are parsed; unlike tf.app.run, what it doesn't know it doesn't ignore.

    Raises: SystemExit for an unknown flag, or a word that belongs to none (`--do_eval false` means true).
    """

    def strict_main(argv):
        if argv[1:]:
            sys.exit(f"{argv[1]}: belongs to no flag: write --flag=value")
        script.run(main)

    app.run(strict_main)
