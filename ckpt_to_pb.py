"""Freezes the encoder of a fine-tuned checkpoint, pooler included, as a .pb. Runs in the tf1 environment."""

import os
import sys

import tensorflow as tf

from infer.ports import INPUTS, OUTPUT
from tf1.checkpoint import read_checkpoint
from tf1.flags import FLAGS, flags, run

flags.DEFINE_string("init_checkpoint", None, "The fine-tuned checkpoint, with its .meta graph beside it.")
flags.DEFINE_string("meta_graph", None, "Another graph of the same model to freeze the weights in, without dropout.")
flags.DEFINE_string("output_file", "bert-finetune.pb", "The frozen graph to write.")

HUB_OUTPUT = "module_apply_tokens/" + OUTPUT


def freeze(init_checkpoint, meta_graph):
    """Returns the GraphDef that computes OUTPUT, float32 (batch, hidden), its variables turned into constants.

    In a model fine-tuned from a TF Hub module the same tensor is HUB_OUTPUT; it gets the name OUTPUT as well. The
    training operations are dropped before the graph is imported, since some of them only Horovod can load.

    Args:
      init_checkpoint: prefix of the checkpoint.
      meta_graph: path of a .meta of the same model.
    Source: tf.graph_util.convert_variables_to_constants.
    """
    meta = tf.compat.v1.MetaGraphDef()
    with open(meta_graph, "rb") as file:
        meta.ParseFromString(file.read())
    draw_at_random(meta.graph_def)
    names = {node.name for node in meta.graph_def.node}
    output = HUB_OUTPUT if HUB_OUTPUT in names else OUTPUT
    needed = [output, meta.saver_def.restore_op_name, meta.saver_def.filename_tensor_name.split(":")[0]]
    needed += [name for name in names if name.endswith("/Read/ReadVariableOp")]  # the variables of a module
    graph_def = tf.compat.v1.graph_util.extract_sub_graph(meta.graph_def, needed)
    for node in graph_def.node:
        node.device = ""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        tf.compat.v1.train.Saver(saver_def=meta.saver_def).restore(session, init_checkpoint)
        if output == HUB_OUTPUT:
            tf.identity(graph.get_tensor_by_name(HUB_OUTPUT + ":0"), OUTPUT)
        graph_def = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [OUTPUT])
        for feature, tensor in zip(("input_ids", "input_mask", "segment_ids"), INPUTS):
            print(f"{tensor} = {feature} {graph.get_tensor_by_name(tensor).shape}")
        print("{}:0 = pooled output {}".format(OUTPUT, graph.get_tensor_by_name(OUTPUT + ":0").shape))
    return graph_def


def draw_at_random(graph_def):
    """Lets dropout draw as upstream does, in place: no converter knows what run_classifier.py has drawn by step."""
    for node in graph_def.node:
        if node.op == "StatelessRandomUniform":
            node.op = "RandomUniform"
            del node.input[1:], node.attr["Tseed"]


def main():
    if not FLAGS.init_checkpoint:
        sys.exit("--init_checkpoint is required")
    read_checkpoint(FLAGS.init_checkpoint)
    meta_graph = FLAGS.meta_graph or FLAGS.init_checkpoint + ".meta"
    if not os.path.isfile(meta_graph):
        sys.exit(f"{meta_graph}: no such file: copy it along with the checkpoint, or give another with --meta_graph")
    try:
        graph_def = freeze(FLAGS.init_checkpoint, meta_graph)
    except Exception as error:  # TensorFlow raises anything on a broken graph
        reason = (str(error) or type(error).__name__).splitlines()[0]
        sys.exit(f"{meta_graph}: not the graph of a checkpoint that run_classifier.py trained ({reason})")
    part = FLAGS.output_file + ".part"
    with open(part, "wb") as file:
        file.write(graph_def.SerializeToString(deterministic=True))
    os.replace(part, FLAGS.output_file)
    print(f"{FLAGS.output_file}: {len(graph_def.node)} ops")
    dropout = sum(node.op == "RandomUniform" for node in graph_def.node)
    if dropout:
        print(
            f"{FLAGS.output_file}: {dropout} of them draw dropout's random numbers, so it answers differently every "
            "time: freeze a checkpoint of the second phase, or these weights with its --meta_graph"
        )


if __name__ == "__main__":
    run(main)
