"""BERT as an OpenVINO model of free batch and length that computes what the frozen graph does, with less work.

The same numbers as google-research/bert's modeling.py up to the order of additions: only [CLS] reaches the pooler,
so the last layer asks, attends and feeds forward for that token alone; layer normalisation, gelu and attention are
one operation each, for which the CPU has kernels, where TensorFlow's graph spells them out.
"""

import numpy as np
import openvino as ov
from openvino import opset13 as op

LAYER_NORM_EPSILON = 1e-12  # of tf.contrib.layers.layer_norm
ACTIVATIONS = {
    "gelu": lambda x: op.gelu(x, "tanh"),  # google-research/bert's
    "gelu_erf": lambda x: op.gelu(x, "erf"),  # what Hugging Face calls gelu
    "relu": op.relu,
    "tanh": op.tanh,
    "linear": lambda x: x,
}
MASKED = -10000.0  # modeling.py's attention_layer adds it where there is padding


def constant(value, dtype=np.int64):
    return op.constant(np.ascontiguousarray(value, dtype))


def dense(x, weights, scope):
    """x (batch, length, in) times kernel (in, out) plus bias (out,)."""
    product = op.matmul(x, constant(weights[f"{scope}/kernel"].T, np.float32), False, True)
    return op.add(product, constant(weights[f"{scope}/bias"], np.float32))


def layer_norm(x, weights, scope):
    normed = op.mvn(x, constant([-1]), True, LAYER_NORM_EPSILON, "INSIDE_SQRT")
    scaled = op.multiply(normed, constant(weights[f"{scope}/gamma"], np.float32))
    return op.add(scaled, constant(weights[f"{scope}/beta"], np.float32))


def split_heads(x, num_heads):
    """(batch, length, hidden) to (batch, heads, length, hidden / heads)."""
    return op.transpose(op.reshape(x, constant([0, 0, num_heads, -1]), True), constant([0, 2, 1, 3]))


def join_heads(x):
    """The reverse of split_heads."""
    return op.reshape(op.transpose(x, constant([0, 2, 1, 3])), constant([0, 0, -1]), True)


def first_token(x):
    """(batch, length, hidden) to (batch, 1, hidden)."""
    return op.slice(x, constant([0]), constant([1]), constant([1]), constant([1]))


def attend_from_first(x, query, bias, weights, num_heads, scope):
    """Attention of [CLS] alone: (batch, length, hidden) to (batch, 1, hidden).

    softmax(q (x K + k)') (x V + v) is softmax((q K') x') x V + v, as q k' is the same for every token: so neither keys
    nor values are computed of all of them.
    """
    hidden = len(weights[f"{scope}/key/kernel"])
    key, value = (weights[f"{scope}/{name}/kernel"].reshape(hidden, num_heads, -1) for name in ("key", "value"))
    scale = np.float32(key.shape[-1] ** -0.5)
    query = op.transpose(op.reshape(query, constant([0, num_heads, -1]), True), constant([1, 0, 2]))
    asked = op.matmul(query, constant(key.transpose(1, 2, 0) * scale, np.float32), False, False)
    scores = op.add(op.matmul(op.transpose(asked, constant([1, 0, 2])), x, False, True), bias)
    mixed = op.transpose(op.matmul(op.softmax(scores, -1), x, False, False), constant([1, 0, 2]))
    context = op.matmul(mixed, constant(value.transpose(1, 0, 2), np.float32), False, False)
    context = op.reshape(op.transpose(context, constant([1, 0, 2])), constant([0, 1, hidden]), True)
    return op.add(context, constant(weights[f"{scope}/value/bias"], np.float32))


def embed(input_ids, segment_ids, weights):
    """Returns (batch, length, hidden): word, segment and position embeddings, added and normalised."""
    words, segments, positions = (
        constant(weights[f"embeddings/{name}_embeddings"], np.float32) for name in ("word", "token_type", "position")
    )
    x = op.add(op.gather(words, input_ids, constant(0)), op.gather(segments, segment_ids, constant(0)))
    length = op.gather(op.shape_of(input_ids), constant([1]), constant(0))
    x = op.add(x, op.slice(positions, constant([0]), length, constant([1]), constant([0])))
    return layer_norm(x, weights, "embeddings/LayerNorm")


def encode(x, bias, weights, num_heads, hidden_act, scope, is_last):
    """One transformer layer: (batch, length, hidden) to the same, or to (batch, 1, hidden) if it is the last."""
    asking = first_token(x) if is_last else x
    query = dense(asking, weights, f"{scope}/attention/self/query")
    if is_last:
        context = attend_from_first(x, query, bias, weights, num_heads, f"{scope}/attention/self")
    else:
        key, value = (dense(x, weights, f"{scope}/attention/self/{name}") for name in ("key", "value"))
        heads = [split_heads(tokens, num_heads) for tokens in (query, key, value)]
        context = join_heads(op.scaled_dot_product_attention(*heads, op.unsqueeze(bias, constant(1))))
    attended = op.add(dense(context, weights, f"{scope}/attention/output/dense"), asking)
    attended = layer_norm(attended, weights, f"{scope}/attention/output/LayerNorm")
    inner = ACTIVATIONS[hidden_act](dense(attended, weights, f"{scope}/intermediate/dense"))
    return layer_norm(
        op.add(dense(inner, weights, f"{scope}/output/dense"), attended), weights, f"{scope}/output/LayerNorm"
    )


def build_classifier(weights, num_heads, head, hidden_act="gelu"):
    """Returns the ov.Model from input_ids, input_mask, segment_ids, int32 (batch, length), to the probabilities.

    Args:
      weights: {name below bert/, as in google-research/bert's checkpoints: float32 array}.
      num_heads: int, of attention.
      head: (weight (labels, hidden), bias (labels,)) of the classifier.
      hidden_act: one of ACTIVATIONS.
    Raises: KeyError if a weight is missing.
    Source: Devlin et al., "BERT", 2018; google-research/bert's modeling.py, run_classifier.py's create_model.
    """
    inputs = [op.parameter([-1, -1], np.int32, name=name) for name in ("input_ids", "input_mask", "segment_ids")]
    for node in inputs:
        node.output(0).set_names({node.get_friendly_name()})
    input_ids, input_mask, segment_ids = inputs
    x = embed(input_ids, segment_ids, weights)
    padding = op.subtract(constant(1, np.float32), op.convert(input_mask, "f32"))
    bias = op.unsqueeze(op.multiply(padding, constant(MASKED, np.float32)), constant(1))
    num_layers = len({name.split("/")[1] for name in weights if name.startswith("encoder/")})
    for i in range(num_layers):
        x = encode(x, bias, weights, num_heads, hidden_act, f"encoder/layer_{i}", is_last=i == num_layers - 1)
    pooled = op.tanh(dense(x, weights, "pooler/dense"))
    logits = op.squeeze(dense(pooled, {"head/kernel": head[0].T, "head/bias": head[1]}, "head"), constant([1]))
    probabilities = op.softmax(logits, -1)
    probabilities.output(0).set_names({"probabilities"})
    return ov.Model([probabilities], inputs, "bert-classifier")
