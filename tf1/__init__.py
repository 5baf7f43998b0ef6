"""What needs TensorFlow 1.15: weights and reviews made ready, and what run_classifier.py trains with."""

RUN_AGAIN = "run it again to go on from the last checkpoint"  # said by a worker, or of one that can't any more
