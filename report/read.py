"""Reads the files of build/PROFILE; a missing or invalid one is one line with the target that makes it."""

import ast
import json
import re
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tb_logging

# Named as in eval_results.txt; those of two labels, and counts, as in the notebook, too.
METRICS = "eval_accuracy auc f1_score precision recall loss".split()
COUNTS = "true_positives true_negatives false_positives false_negatives global_step".split()
MACRO_METRICS = "eval_accuracy macro_f1 macro_precision macro_recall loss".split()
DROPOUT_RATE = re.compile(r"(?:^|/)dropout(?:_\d+)?/rate$")  # as tf.nn.dropout names it
tb_logging.get_logger().setLevel("ERROR")  # training writes several graphs by design, and it warns of each


def read_text(path, target):
    """Returns the text of a file that `make TARGET` makes; exits if it is missing or unreadable."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        sys.exit(f"{path}: no such file: make it with `make {target}`")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"{path}: cannot be read: {getattr(error, 'strerror', error)}: make it again with `make {target}`")


def read_json(path, target, keys):
    """Returns the dict in a JSON file that `make TARGET` makes; exits unless it has all `keys`."""
    try:
        content = json.loads(read_text(path, target))
    except (ValueError, RecursionError) as error:
        sys.exit(f"{path}: not JSON: {error}: remove it and make it again with `make {target}`")
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            sys.exit(f"{path}: lacks {key}: remove it and make it again with `make {target}`")
    return content


def read_record(folder, stage):
    """Returns the record of `make STAGE`: its command, flags, packages, machine and time; exits if it is invalid."""
    keys = (
        "command",
        "flags",
        "inputs",
        "packages",
        "cpu",
        "cores",
        "git_commit",
        "git_dirty",
        "start",
        "end",
        "seconds",
    )
    return read_json(Path(folder, f"{stage}.record.json"), stage, keys)


def metric_names(num_labels):
    """Returns (names of metrics, names of counts) in the eval_results.txt of a model of so many labels."""
    return (METRICS, COUNTS) if num_labels == 2 else (MACRO_METRICS, COUNTS[-1:])


def read_results(path, target, num_labels):
    """Returns {metric: float} of an eval_results.txt, whose lines are `metric = value`; exits if it is invalid."""
    results = {}
    for number, line in enumerate(read_text(path, target).splitlines(), 1):
        try:
            name, value = line.split(" = ")
            results[name] = float(value)
        except ValueError:
            sys.exit(
                f"{path}: line {number} is not `metric = value`: remove the file and make it again with `make {target}`"
            )
    for name in sum(metric_names(num_labels), []):
        if name not in results:
            sys.exit(f"{path}: lacks {name}: remove it and make it again with `make {target}`")
    return results


def parse_prediction(line, labels):
    """Returns (review, list of probabilities, label) of a line; raises ValueError or, as ast.parse, others if invalid.

    What is in it is read and not run. The line is Python's repr of (str, NumPy array, str).
    """
    match ast.parse(line, mode="eval").body:
        case ast.Tuple([ast.Constant(str(review)), ast.Call(ast.Name("array"), [row]), ast.Constant(label)]):
            probabilities = [float(p) for p in ast.literal_eval(row)]
            if label in labels and len(probabilities) == len(labels):
                return review, probabilities, label
    raise ValueError("not a prediction")


def read_predictions(path, labels):
    """Reads predictions in the guide's format, ('review', array([p(0), p(1) …], dtype=float32), 'label').

    Args:
      labels: list of str.
    Returns: (list of (review, list of probabilities, label), the line on differences at the end or None).
    Raises: SystemExit if the file is missing or invalid.
    """
    predictions, closing = [], None
    for number, line in enumerate(read_text(path, "predict").split("\n"), 1):
        try:
            if line.startswith("largest difference"):
                closing = line
            elif line:
                predictions.append(parse_prediction(line, labels))
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):  # ast raises all of them
            sys.exit(
                f"{path}: line {number} is not a prediction: remove the file and make it again with `make predict`"
            )
    if not predictions:
        sys.exit(f"{path}: no predictions in it: remove it and make it again with `make predict`")
    return predictions, closing


def read_events(folder, target):
    """Reads all event files of one folder, also those of a run that was resumed.

    Returns: ({tag: (steps, values)}, {name: rate}): the scalars in the order of their steps, of two values for one step
      the later; and the dropout layers in the graph, empty without dropout, or None if the files hold no graph.
    Raises: SystemExit if there are none, or one is damaged.
    """
    if not list(Path(folder).glob("events.out.tfevents.*")):
        sys.exit(f"{folder}/events.out.tfevents.*: no such file: make it with `make {target}`")
    try:
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        tags = events.Tags()
        scalars = {}
        for tag in tags["scalars"]:
            points = sorted({event.step: event.value for event in events.Scalars(tag)}.items())
            scalars[tag] = tuple(zip(*points, strict=True))
        dropout = None
        if tags["graph"]:
            rates = [node for node in events.Graph().node if DROPOUT_RATE.search(node.name) and node.op == "Const"]
            dropout = {node.name: node.attr["value"].tensor.float_val[0] for node in rates}
        return scalars, dropout
    except Exception as error:  # TensorBoard raises anything on a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        sys.exit(f"{folder}/events.out.tfevents.*: damaged: {reason}: remove {folder} and run `make {target}` again")
