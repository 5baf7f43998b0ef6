"""By how much two files that TensorFlow wrote differ: python -m tf1.differ OLD NEW. Runs in the tf1 environment.

Prints JSON: how they differ in words (empty if in nothing that counts), and the largest difference of a number, or null
where more than numbers differ. A checkpoint is named by its .index. What does not count, as two runs of the same never
have it alike: the random name under which a Saver writes, the order of a map's entries, and in event files the times,
the speed, and the graph.
"""

import argparse
import json
import re
import sys

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import control_flow_pb2

from tf1.checkpoint import read_checkpoint

TEMPORARY = re.compile(rb"_temp_[0-9a-f]{32}")
TIMED = re.compile(r"(^|/)(global_step|examples)/sec$")


def differ_in_arrays(old, new):
    """Returns (how {name: array} differ in words, the largest absolute difference or None)."""
    for name in sorted({*old} ^ {*new}):
        return "{} is {}".format(name, "gone" if name in old else "new"), None
    largest, where = 0.0, None
    for name in sorted(old):
        if old[name].shape != new[name].shape or old[name].dtype != new[name].dtype:
            return f"{name} is {new[name].dtype} {new[name].shape}, was {old[name].dtype} {old[name].shape}", None
        if old[name].dtype.kind not in "fiu":
            if not np.array_equal(old[name], new[name]):
                return f"{name} differs", None
            continue
        if old[name].tobytes() != new[name].tobytes():
            difference = float(np.abs(old[name].astype(np.float64) - new[name]).max())
            if where is None or not difference <= largest:  # NaN too
                largest, where = difference, name
    return (f"up to {largest:.1e}, in {where}" if where else ""), largest


def split(graph):
    """Returns ({node: its definition in bytes, without what does not count}, {Const node: array}) of a GraphDef."""
    nodes, weights = {}, {}
    for node in graph.node:
        if node.op == "Const":
            value = node.attr["value"].tensor
            if value.dtype == tf.float32.as_datatype_enum:
                weights[node.name] = tf.make_ndarray(value)
                value.Clear()
        nodes[node.name] = TEMPORARY.sub(b"", node.SerializeToString(deterministic=True))
    for function in graph.library.function:
        nodes[function.signature.name] = function.SerializeToString(deterministic=True)
    return nodes, weights


def differ_in_graphs(old, new):
    """Returns differ_in_arrays' two of two GraphDefs: their operations, and then their weights."""
    (old, old_weights), (new, new_weights) = split(old), split(new)
    different = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    if different:
        return f"{len(different)} of {len(old)} operations, such as {different[0]}", None
    return differ_in_arrays(old_weights, new_weights)


def parse(message, path):
    """Returns a protobuf message with what a file holds of it."""
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(".pbtxt"):
        text_format.Parse(content, message)
    else:
        message.ParseFromString(content)
    return message


def sort_conditions(collection):
    """Puts the names in each tf.cond of a .meta's collection into their order: they come from a set."""
    contexts = [control_flow_pb2.CondContextDef.FromString(each) for each in collection.bytes_list.value]
    del collection.bytes_list.value[:]
    for context in contexts:
        context.values_def.values.sort()
        collection.bytes_list.value.append(context.SerializeToString(deterministic=True))


def differ_in_meta_graphs(old, new):
    """Returns differ_in_arrays' two of two .meta files: of their graphs, and of all else in them."""
    old, new = (parse(tf.compat.v1.MetaGraphDef(), path) for path in (old, new))
    graphs = old.graph_def, new.graph_def
    found = differ_in_graphs(*graphs)
    for meta_graph in (old, new):
        meta_graph.graph_def.Clear()
        sort_conditions(meta_graph.collection_def["cond_context"])
    same = len({TEMPORARY.sub(b"", each.SerializeToString(deterministic=True)) for each in (old, new)}) == 1
    return found if found[0] or same else ("what is beside the graph", None)


def read_events(path):
    """Returns [(step, tag, value)] of an event file, in its order, without what is timed."""
    return [
        (event.step, value.tag, value.simple_value)
        for event in tf.compat.v1.train.summary_iterator(path)
        for value in event.summary.value
        if value.HasField("simple_value") and not TIMED.search(value.tag)
    ]


def differ_in_events(old, new):
    """Returns differ_in_arrays' two of two event files: of the curves in them."""
    old, new = read_events(old), read_events(new)
    if [point[:2] for point in old] != [point[:2] for point in new]:
        return f"{len(new)} points of its curves were {len(old)}", None
    far = [(abs(one[2] - other[2]), one[1]) for one, other in zip(old, new) if one[2] != other[2]]
    return "up to {:.1e}, in {}".format(*max(far)) if far else "", max(far)[0] if far else 0.0


def differ(old, new):
    """Returns differ_in_arrays' two of two files, by their kind."""
    if old.endswith(".index"):
        return differ_in_arrays(*(read_checkpoint(path[: -len(".index")]) for path in (old, new)))
    if old.endswith(".meta"):
        return differ_in_meta_graphs(old, new)
    if old.endswith((".pb", ".pbtxt")):
        return differ_in_graphs(*(parse(tf.compat.v1.GraphDef(), path) for path in (old, new)))
    return differ_in_events(old, new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="a checkpoint's .index, a .meta, .pb or .pbtxt, or an event file")
    parser.add_argument("new", help="another of its kind")
    args = parser.parse_args()
    try:
        difference, largest = differ(args.old, args.new)
    except Exception as error:  # protobuf's, TensorFlow's: what is no such file is a difference, too
        difference, largest = f"cannot be read ({type(error).__name__})", None
    except SystemExit as error:
        difference, largest = str(error), None
    finite = largest is not None and np.isfinite(largest)
    print(json.dumps({"difference": difference, "largest": largest if finite else None}))


if __name__ == "__main__":
    sys.exit(main())
