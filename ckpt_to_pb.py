"""Freezes the encoder of a fine-tuned checkpoint, pooler included, as a .pb. Runs in the tf1 environment.

In the checkpoint's own graph, as the guide does, where that has no dropout and the guide's ports; or else in one that
is built anew, with these ports.
"""

import os
import sys

import tensorflow as tf

from infer.ports import INPUTS, OUTPUT
from infer.text.bert_config import read_bert_config, variable_shapes
from infer.text.vocab import read_max_length
from tf1.checkpoint import check_variables, read_model
from tf1.encoder import find_obstacle, freeze_anew, read_graph
from tf1.flags import FLAGS, flags, run

flags.DEFINE_string("init_checkpoint", None, "The fine-tuned checkpoint, its .meta graph beside it if there is one.")
flags.DEFINE_string("meta_graph", None, "Another graph of the same model to freeze the weights in, as it is.")
flags.DEFINE_string(
    "bert_config_file", None, "Where there is no .meta: the configuration (default: bert_config.json beside it)."
)
flags.DEFINE_integer("max_seq_length", None, "The sequence length, where that is not the graph's.")
flags.DEFINE_string("output_file", "bert-finetune.pb", "The frozen graph to write.")

HUB_OUTPUT = "module_apply_tokens/" + OUTPUT


def read_meta(path):
    """Returns (MetaGraphDef of a .meta, the name of its pooled output: OUTPUT, or HUB_OUTPUT of a TF Hub module)."""
    meta = tf.compat.v1.MetaGraphDef()
    with open(path, "rb") as file:
        meta.ParseFromString(file.read())
    draw_at_random(meta.graph_def)
    return meta, HUB_OUTPUT if any(node.name == HUB_OUTPUT for node in meta.graph_def.node) else OUTPUT


def freeze(init_checkpoint, meta, output):
    """Returns the GraphDef that computes OUTPUT, float32 (batch, hidden), its variables turned into constants.

    The training operations are dropped before the graph is imported, since some of them only Horovod can load.

    Args:
      init_checkpoint: prefix of the checkpoint.
      meta, output: as read_meta returns them; a HUB_OUTPUT gets the name OUTPUT as well.
    Source: tf.graph_util.convert_variables_to_constants.
    """
    names = {node.name for node in meta.graph_def.node}
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
        for feature, tensor in zip(("input_ids", "input_mask", "segment_ids"), INPUTS):
            print(f"{tensor} = {feature} {graph.get_tensor_by_name(tensor).shape}")
        print("{}:0 = pooled output {}".format(OUTPUT, graph.get_tensor_by_name(OUTPUT + ":0").shape))
        return tf.compat.v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [OUTPUT])


def draw_at_random(graph_def):
    """Lets dropout draw as upstream does, in place: no converter knows what run_classifier.py has drawn by step."""
    for node in graph_def.node:
        if node.op == "StatelessRandomUniform":
            node.op = "RandomUniform"
            del node.input[1:], node.attr["Tseed"]


def freeze_checkpoint(init_checkpoint, variables, max_seq_length):
    """Returns (GraphDef, why it was built anew, or None if it is the checkpoint's own).

    Args:
      init_checkpoint: prefix of the checkpoint.
      variables: what read_model returns of it.
      max_seq_length: int, or None for what its graph says, or the tokenizer_config.json beside it.
    Raises: SystemExit, or whatever TensorFlow does on a broken graph.
    """
    if os.path.isfile(init_checkpoint + ".meta"):
        meta, output = read_meta(init_checkpoint + ".meta")
        graph_def = tf.compat.v1.graph_util.extract_sub_graph(meta.graph_def, [output])
        why = find_obstacle(graph_def, max_seq_length)
        if not why:
            return freeze(init_checkpoint, meta, output), None
        config, length = read_graph(graph_def, {name: value.shape for name, value in variables.items()})
    else:
        why, folder = "the checkpoint comes without one", os.path.dirname(init_checkpoint)
        config_file = FLAGS.bert_config_file or os.path.join(folder, "bert_config.json")
        if not os.path.isfile(config_file):
            sys.exit(
                f"{init_checkpoint}.meta and {config_file}: no such files: copy one of them along with the checkpoint, "
                "or give another with --bert_config_file"
            )
        config, length = read_bert_config(config_file), read_max_length(folder)
    try:
        check_variables(variables, variable_shapes(config))
    except ValueError as error:
        sys.exit(f"{init_checkpoint}: {error}")
    length, positions = max_seq_length or length, config["max_position_embeddings"]
    if not length:
        sys.exit(f"{init_checkpoint}: nothing tells its sequence length: give the one that it was trained with")
    if not 3 <= length <= positions:
        sys.exit(f"a sequence length of {length}: choose 3 to {positions}, the positions of {init_checkpoint}")
    return freeze_anew(variables, config, length), why


def main():
    if not FLAGS.init_checkpoint:
        sys.exit("--init_checkpoint is required")
    variables, why = read_model(FLAGS.init_checkpoint), None
    try:
        if FLAGS.meta_graph:
            graph_def = freeze(FLAGS.init_checkpoint, *read_meta(FLAGS.meta_graph))
        else:
            graph_def, why = freeze_checkpoint(FLAGS.init_checkpoint, variables, FLAGS.max_seq_length)
    except Exception as error:  # TensorFlow raises anything on a broken graph
        reason = (str(error) or type(error).__name__).splitlines()[0]
        meta_graph = FLAGS.meta_graph or FLAGS.init_checkpoint + ".meta"
        sys.exit(f"{meta_graph}: not the graph of a checkpoint that run_classifier.py trained ({reason})")
    part = FLAGS.output_file + ".part"
    with open(part, "wb") as file:
        file.write(graph_def.SerializeToString(deterministic=True))
    os.replace(part, FLAGS.output_file)
    if why:
        print(f"{FLAGS.output_file}: the graph is built anew, without dropout: {why}")
    print(f"{FLAGS.output_file}: {len(graph_def.node)} ops")
    dropout = sum(node.op == "RandomUniform" for node in graph_def.node)
    if dropout:
        print(
            f"{FLAGS.output_file}: {dropout} of them draw dropout's random numbers, so it answers differently every "
            "time: leave out --meta_graph (META_GRAPH=) for a graph without dropout"
        )


if __name__ == "__main__":
    run(main)
