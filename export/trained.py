"""What is exported: the weights of a frozen encoder, its head, and what the classifier made of both knows of texts."""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino as ov

from infer.convert import convert_encoder, read_weights
from infer.head import load_head
from infer.ir import check_seal, read_info, read_model, temperature_of
from infer.temperature import fold


class Trained(NamedTuple):
    encoder: ov.Model  # the frozen graph, as OpenVINO's frontend converts it
    weights: dict  # {name below bert/, as in google-research/bert's checkpoints: float32 array}
    num_heads: int
    hidden_act: str  # as bert_config.json has it: gelu is the tanh approximation, gelu_erf the exact one
    head: tuple  # (weight (labels, hidden), bias (labels,)), the temperature in it if there is one
    classifier: ov.Model  # infer.bert's graph of these weights, from three int32 (batch, length) to probabilities
    vocab: list  # of str, in the order of their ids
    labels: list  # of str, likewise
    do_lower_case: bool
    max_seq_length: int  # in WordPieces, [CLS] and [SEP] among them
    temperature: float | None = None  # of a classifier that is calibrated: see infer/calibrate.py


def read_trained(model, pb):
    """Returns the Trained of a classifier.xml, weight.npy and bias.npy beside it, and the frozen encoder at `pb`.

    Raises: SystemExit, with one line, if one can't be read, is broken, or they are of different models.
    """
    try:
        check_seal(Path(model))
        info, values = read_info(Path(model))
        classifier = read_model(ov.Core(), Path(model), len(values[1]))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    encoder = convert_encoder(pb)
    weights, num_heads, hidden_act = read_weights(encoder)
    *head, _ = load_head(Path(model).parent, encoder.output(0).shape[1])
    temperature = temperature_of(info)
    head = fold(*head, temperature or 1)
    return Trained(encoder, weights, num_heads, hidden_act, head, classifier, *values, temperature)


def sizes(trained):
    """Returns bert_config.json's sizes of a Trained, by their names there; source: bert.modeling.BertConfig."""
    weights = trained.weights
    vocab_size, hidden_size = np.shape(weights["embeddings/word_embeddings"])
    return {
        "vocab_size": vocab_size,
        "hidden_size": hidden_size,
        "num_hidden_layers": sum(name.endswith("/attention/self/query/kernel") for name in weights),
        "num_attention_heads": trained.num_heads,
        "intermediate_size": len(weights["encoder/layer_0/intermediate/dense/bias"]),
        "max_position_embeddings": len(weights["embeddings/position_embeddings"]),
        "type_vocab_size": len(weights["embeddings/token_type_embeddings"]),
    }
