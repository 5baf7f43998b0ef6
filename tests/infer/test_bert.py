"""The graph of infer/bert.py against the same model in NumPy's float64, input by input."""

import numpy as np
import openvino as ov
import pytest
from small import HIDDEN, VOCAB, random_weights

from infer.bert import build_classifier

LAYERS, HEADS = 3, 2  # a first, a middle and a last; of more units than there are heads
FP32 = 5e-6  # in probability, where the answers span 0.3 and more


def linear(x, weights, scope):
    return x @ weights[f"{scope}/kernel"] + weights[f"{scope}/bias"]


def layer_norm(x, weights, scope):
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return normed * weights[f"{scope}/gamma"] + weights[f"{scope}/beta"]


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def reference(weights, head, input_ids, input_mask, segment_ids):
    """Returns float64 probabilities (batch, labels), every layer computed for every token (Devlin et al., 2018)."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    x = weights["embeddings/word_embeddings"][input_ids] + weights["embeddings/token_type_embeddings"][segment_ids]
    x = layer_norm(x + weights["embeddings/position_embeddings"][: input_ids.shape[1]], weights, "embeddings/LayerNorm")
    for layer in (f"encoder/layer_{i}" for i in range(LAYERS)):
        query, key, value = (
            linear(x, weights, f"{layer}/attention/self/{name}").reshape(*input_ids.shape, HEADS, -1).swapaxes(1, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(2, 3) / np.sqrt(HIDDEN / HEADS) - 10000.0 * (1 - input_mask[:, None, None])
        context = (softmax(scores) @ value).swapaxes(1, 2).reshape(x.shape)
        output = f"{layer}/attention/output"
        x = layer_norm(linear(context, weights, f"{output}/dense") + x, weights, f"{output}/LayerNorm")
        inner = linear(x, weights, f"{layer}/intermediate/dense")
        inner = inner / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        x = layer_norm(linear(inner, weights, f"{layer}/output/dense") + x, weights, f"{layer}/output/LayerNorm")
    return softmax(np.tanh(linear(x[:, 0], weights, "pooler/dense")) @ head[0].T + head[1])


@pytest.mark.parametrize("length, labels", [(3, 2), (11, 3), (24, 5)])
def test_the_probabilities_are_numpys(length, labels):
    random = np.random.default_rng(0)
    weights = random_weights(LAYERS)
    head = random.normal(size=(labels, HIDDEN)).astype(np.float32), np.linspace(0, 0.5, labels, dtype=np.float32)
    mask = (np.arange(length) < random.integers(2, length + 1, (50, 1))).astype(np.int32)
    features = random.integers(len(VOCAB), size=mask.shape), mask, random.integers(2, size=mask.shape)
    features = [feature.astype(np.int32) for feature in features]
    network = build_classifier(weights, HEADS, head)
    got = ov.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(features)[0]
    names = "input_ids", "input_mask", "segment_ids", "probabilities"
    assert tuple(port.any_name for port in (*network.inputs, *network.outputs)) == names
    wanted = reference(weights, head, *features)
    assert np.ptp(wanted[:, 0]) > 0.3
    print(f"largest difference: {np.abs(got - wanted).max():.2g}")
    np.testing.assert_allclose(got, wanted, atol=FP32, rtol=0)
