"""google-research/bert's encoder as a graph: what bert-tensorflow 1.0.1 lacks of it, and one for a checkpoint alone.

Runs in the tf1 environment.
"""

import re

import numpy as np
import tensorflow as tf
from bert import modeling

from infer.ports import INPUT_NODE, INPUTS, OUTPUT
from tf1.hub import config_from_shapes

upstreams_activation = modeling.get_activation
HEADS = re.compile(r"bert/encoder/layer_\d+/attention/self/transpose$")  # (batch, heads, length, size)
ACTIVATION = re.compile("bert/encoder/layer_0/intermediate/dense/")


def gather_flat_ids(table, ids):
    """Looks up embeddings as google-research/bert now does: of flattened ids, which bert.modeling then reshapes.

    bert-tensorflow 1.0.1 was released before that change, so its graph of L-12 has one op less than the guide's 1636.
    With this function it has as many.
    """
    return tf.gather(table, tf.reshape(ids, [-1]))


def gelu_erf(x):
    """The gelu that Hugging Face calls so, of which google-research/bert's is the tanh approximation.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """
    return x * 0.5 * (1.0 + tf.math.erf(x / np.sqrt(2.0).astype(np.float32)))


def get_activation(name):
    """Returns the function of a hidden_act, upstream's or gelu_erf."""
    return gelu_erf if name == "gelu_erf" else upstreams_activation(name)


modeling.tf.nn.embedding_lookup = gather_flat_ids
modeling.get_activation = get_activation


def find_obstacle(graph_def, max_seq_length):
    """Returns why an encoder's graph can't be frozen as the guide does it, or None if it can.

    Args:
      graph_def: GraphDef, what only training needs left out.
      max_seq_length: int, the length to freeze it for, or None for its own.
    """
    if any(node.op == "RandomUniform" for node in graph_def.node):
        return "the checkpoint's own has dropout"
    variables = [node for node in graph_def.node if node.op in ("VariableV2", "VarHandleOp")]
    if any(node.attr["dtype"].type != tf.float32.as_datatype_enum for node in variables):
        return "the checkpoint's own is not of float32"
    read = {name if ":" in name else name + ":0" for node in graph_def.node for name in node.input}
    ports = sorted(name for name in read if name.startswith(INPUT_NODE + ":"))
    if ports != [*INPUTS]:
        return f"the checkpoint's own reads {', '.join(ports) or 'other inputs'}"
    (shapes,) = [node.attr["output_shapes"].list.shape for node in graph_def.node if node.name == INPUT_NODE]
    batch, length = (dim.size for dim in shapes[0].dim)
    if batch != -1:
        return f"the checkpoint's own is for batches of {batch}"
    return f"the checkpoint's own is of length {length}" if max_seq_length not in (None, length) else None


def read_graph(graph_def, shapes):
    """Returns (bert_config.json's content, sequence length or None) of the encoder that a graph computes.

    Args:
      graph_def: GraphDef of a fine-tuning, what only training needs left out.
      shapes: {google-research/bert's name: shape} of its variables.
    Raises: KeyError or ValueError if it is not that of google-research/bert, or of other variables.
    """
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    operations = graph.get_operations()
    heads = [operation for operation in operations if HEADS.search(operation.name)]
    types = {operation.type for operation in operations if ACTIVATION.search(operation.name)}
    if not heads:
        raise ValueError("no attention of BERT's in it")
    _, num_heads, length, size = heads[0].outputs[0].shape.as_list()
    for operation in operations:
        if operation.name == INPUT_NODE:  # in a module's graph no length is known
            length = operation.outputs[0].shape[1].value
    spelt_out = {"gelu_erf": "Erf", "gelu": "Pow", "relu": "Relu", "tanh": "Tanh"}
    activation = next((name for name, operation in spelt_out.items() if operation in types), "linear")
    config = dict(config_from_shapes(shapes), num_attention_heads=num_heads, hidden_act=activation)
    found, wanted = (num_heads * size, len(heads)), (config["hidden_size"], config["num_hidden_layers"])
    if found != wanted:
        raise ValueError(f"its hidden size and number of layers are {found}, the checkpoint's {wanted}")
    return config, length


def freeze_anew(variables, config, max_seq_length):
    """Returns the GraphDef of an encoder built for its variables, without dropout, with the ports of the guide's graph.

    Args:
      variables: {google-research/bert's name: float32 array}, all of the encoder's.
      config: what parse_bert_config returns.
      max_seq_length: int.
    """
    ids, labels = tf.TensorShape([None, max_seq_length]), tf.TensorShape([None])
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        # As of features whose names are sorted: input_ids, input_mask, label_ids, segment_ids.
        iterator = tf.compat.v1.data.Iterator.from_structure((tf.int32,) * 4, (ids, ids, labels, ids))
        input_ids, input_mask, _, segment_ids = iterator.get_next()
        modeling.BertModel(modeling.BertConfig(**config), False, input_ids, input_mask, segment_ids)
        for variable in tf.compat.v1.global_variables():
            variable.load(variables[variable.op.name], session)
        return tf.compat.v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [OUTPUT])
