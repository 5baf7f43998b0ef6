"""A classifier of random weights, as export reads it, and what computes with it."""

import numpy as np
import openvino as ov
from small import HEADS, HIDDEN, LENGTH, VOCAB, random_weights

from export.trained import Trained
from infer.bert import build_classifier


def make_trained(labels=("Negative", "Positive"), do_lower_case=True, vocab=VOCAB, hidden_act="gelu"):
    """A Trained of random weights, as read_trained returns it, but for the frozen encoder."""
    random = np.random.default_rng(1)
    head = random.normal(size=(len(labels), HIDDEN)).astype(np.float32), np.zeros(len(labels), np.float32)
    classifier = build_classifier(random_weights(), HEADS, head)
    info = list(vocab), list(labels), do_lower_case, LENGTH
    return Trained(None, random_weights(), HEADS, hidden_act, head, classifier, *info)


def random_features(count=40, length=LENGTH):
    """Returns input_ids, input_mask and segment_ids, int32 (count, length), with padding in most rows."""
    random = np.random.default_rng(0)
    mask = np.arange(length) < random.integers(2, length + 1, (count, 1))
    features = random.integers(len(VOCAB), size=mask.shape) * mask, mask, random.integers(2, size=mask.shape)
    return [feature.astype(np.int32) for feature in features]


def compute(network, features):
    return ov.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(features)[0]
