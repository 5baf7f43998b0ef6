"""A build folder whose numbers are known, for report/."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from infer.text.labels import write_labels
from infer.text.long import LONG
from infer.text.metrics import precision_recall_f1

ROOT = Path(__file__).parents[2]
CONFIG = {
    "num_hidden_layers": 6,
    "hidden_size": 384,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
GUIDES = """\
('That movie was absolutely awful', array([0.98552114, 0.01447893], dtype=float32), 'Negative')
('The acting was a bit lacking', array([0.9842604 , 0.01573968], dtype=float32), 'Negative')
('The film was creative and surprising', array([0.0086566, 0.9913434], dtype=float32), 'Positive')
('Absolutely fantastic!', array([7.44371e-03, 9.92556e-01], dtype=float32), 'Positive')
"""
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
ODD = ["Sci-Fi & <Fantasy>", 'it\'s "so, so"', "|_$5_|*"]  # labels that are markup, or need quotes
ODD_IDS = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 2])


def run(*command):
    """Runs a module of the repository as Make does; returns the finished process, its output as text."""
    return subprocess.run([sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True)


def call(main, *arguments):
    """Runs a module's main() in this process, which is quicker; returns what it printed."""
    output = io.StringIO()
    with mock.patch.object(sys, "argv", ["", *map(str, arguments)]), contextlib.redirect_stdout(output):
        main()
    return output.getvalue()


def fails(main, *arguments):
    """Runs a main() that must exit with a message; returns it, which must be one line."""
    with pytest.raises(SystemExit) as error:
        call(main, *arguments)
    (line,) = str(error.value).splitlines()
    return line


def write_graph(path, ops, dropout_ops=0):
    """Writes a frozen graph of so many ops, the last of them of a dropout layer."""
    graph = GraphDef()
    for number in range(ops):
        dropout = number >= ops - dropout_ops
        graph.node.add(name=f"bert/dropout_1/op_{number}" if dropout else f"bert/dropout_free/op_{number}", op="NoOp")
    path.write_bytes(graph.SerializeToString())


def write_probabilities(path, labels, positive):
    """Writes a probabilities-K.tsv."""
    path.write_text("".join(f"{label}\t{1 - p:.6f}\t{p:.6f}\n" for label, p in zip(labels, positive, strict=True)))


def write_answers(path, labels, predicted, count, sure=0.8):
    """Writes a probabilities-K.tsv of `count` labels: each review's predicted one is that sure."""
    rows = np.full((len(labels), count), (1 - sure) / (count - 1))
    rows[np.arange(len(labels)), predicted] = sure
    lines = ("\t".join([str(label), *map(str, row)]) for label, row in zip(labels, rows.tolist(), strict=True))
    path.write_text("".join(f"{line}\n" for line in lines))


def relabel(build, names, labels, wrong=(1, 2, 3)):
    """Makes the build one of those labels: so many of the reviews of each variant are taken for the next label."""
    labels = np.asarray(labels)
    write_reviews(build, labels)
    write_labels(build / "reviews", names)
    write_by_length(build, labels, len(names))
    lines = ""
    for number, label in enumerate(names):
        row = np.full(len(names), np.float32(0.2 / (len(names) - 1)))
        row[number] = 0.8
        with np.printoptions(linewidth=sys.maxsize):
            lines += f"{(f'review {number}', row, label)}\n"
    for name in ("tensorflow/predictions.txt", "openvino.txt"):
        (build / "predict" / name).write_text(lines)
    for variant, errors in zip(("no-dropout", "second-phase", "with-dropout"), wrong, strict=True):
        folder = build / "ablation" / variant
        write_labels(folder, names)
        for number, path in enumerate(sorted(folder.glob("probabilities-*.tsv"))):
            predicted = labels.copy()
            predicted[number : number + errors] = (predicted[number : number + errors] + 1) % len(names)
            write_answers(path, labels, predicted, len(names))
            stage = {"no-dropout": "result1", "second-phase": "result2"}.get(variant)
            if stage and len(names) != 2:
                counts = np.zeros((len(names), len(names)), int)
                np.add.at(counts, (labels, predicted), 1)
                results = {"eval_accuracy": (labels == predicted).mean(), "eval_loss": 0.25, "global_step": 4}
                results["loss"] = 0.25
                means = precision_recall_f1(counts).mean(axis=1)
                results |= zip(("macro_precision", "macro_recall", "macro_f1"), means, strict=True)
                lines = (f"{name} = {value}\n" for name, value in results.items())
                (build / stage / "eval_results.txt").write_text("".join(lines))


def write_by_length(folder, labels=LABELS, count=2, room=46, wrong=(2, 3, 1), lengths=None):
    """Writes by-length/ of a build: of the last reviews so many are wrong in each way, by default of those of LONG."""
    path = folder / "by-length"
    path.mkdir(exist_ok=True)
    for long, errors in zip(LONG, wrong, strict=True):
        predicted = np.array(labels)
        predicted[len(labels) - errors :] = (predicted[len(labels) - errors :] + 1) % count
        write_answers(path / f"{long}.tsv", labels, predicted, count)
    lengths = list(range(10, 10 + 20 * len(labels), 20)) if lengths is None else lengths
    (path / "lengths.json").write_text(json.dumps({"room": room, "lengths": lengths}))


def write_reviews(folder, labels=LABELS):
    """Writes reviews/test.jsonl of a build: of so many reviews, whose texts are their numbers."""
    path = folder / "reviews"
    path.mkdir(exist_ok=True)
    rows = ({"review": f"review {i}", "label": int(label), "source": ""} for i, label in enumerate(labels))
    (path / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def write_ablation(folder, labels=LABELS, wrong=(1, 2, 3)):
    """Writes the three variants of one seed, which get so many of the labels wrong; with-dropout in three runs."""
    sizes = {"no-dropout": (20, 0), "second-phase": (20, 0), "with-dropout": (30, 10)}
    for (variant, (ops, dropout_ops)), errors in zip(sizes.items(), wrong, strict=True):
        path = folder / variant
        path.mkdir(parents=True)
        write_graph(path / "bert-finetune.pb", ops, dropout_ops)
        (path / "bert-finetune.xml").write_text("x" * 1000)
        (path / "bert-finetune.bin").write_bytes(bytes(2_499_000))
        right = np.where(labels == 1, 0.9, 0.1)
        for number in range(3 if variant == "with-dropout" else 1):
            positive = right.copy()
            positive[number : number + errors] = 1 - positive[number : number + errors]
            write_probabilities(path / f"probabilities-{number + 1}.tsv", labels, positive)


def write_events(folder, scalars, dropout=(), start=1):
    """Writes one event file: {tag: values}, a step each from `start` on, and a graph with dropout at 0.1, or none."""
    graph = GraphDef()
    graph.node.add(name="bert/encoder/dense", op="MatMul")
    for name in dropout or ():
        node = graph.node.add(name=f"{name}/dropout/rate", op="Const")
        node.attr["value"].tensor.float_val.append(0.1)
        graph.node.add(name=f"gradients/{name}/dropout/rate", op="Sub")
    before = {*folder.glob("events*")} if folder.is_dir() else set()
    writer = EventFileWriter(str(folder))
    if dropout is not None:
        writer.add_event(Event(graph_def=graph.SerializeToString(), wall_time=1))
    for tag, values in scalars.items():
        for step, value in enumerate(values, start):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.add_event(Event(step=step, summary=summary, wall_time=1))
    writer.close()
    (path,) = {*folder.glob("events*")} - before
    path.rename(folder / f"events.out.tfevents.{len(before):010}")  # of one second, by a number that is not padded


def write_results(folder, wrong, steps):
    """Writes eval_results.txt of 4 negative reviews, `wrong` of which were taken for positive, and 6 positive ones."""
    results = {
        "auc": (1 + (4 - wrong) / 4) / 2,
        "eval_accuracy": 1 - wrong / 10,
        "eval_loss": 0.25,
        "f1_score": 12 / (12 + wrong),
        "false_negatives": 0.0,
        "false_positives": float(wrong),
        "global_step": steps,
        "loss": 0.25,
        "precision": 6 / (6 + wrong),
        "recall": 1.0,
        "true_negatives": 4.0 - wrong,
        "true_positives": 6.0,
    }
    (folder / "eval_results.txt").write_text("".join(f"{name} = {value}\n" for name, value in results.items()))


def write_record(folder, stage, command, packages=(), **changed):
    """Writes the record of a stage, as far as the report reads it."""
    words = command.split()
    record = {
        "stage": stage,
        "command": words,
        "flags": dict(word[2:].split("=") for word in words if word.startswith("--")),
        "inputs": {},
        "outputs": {},
        "packages": dict(packages),
        "cpu": "A CPU | of two_cores",
        "cores": 2,
        "git_commit": "0123456789abcdef" * 2,
        "git_dirty": False,
        "start": "2030-01-02T03:04:05.678+00:00",
        "end": "2030-01-02T03:05:05.678+00:00",
        "seconds": 60.4,
    }
    (folder / f"{stage}.record.json").write_text(json.dumps(record | changed))


@pytest.fixture
def build(tmp_path):
    """A folder as Make leaves build/PROFILE after all that `make compare` needs, with numbers made up."""
    folder = tmp_path / "made-up"
    write_ablation(folder / "ablation")
    write_by_length(folder)
    write_reviews(folder)
    write_graph(folder / "bert-finetune.pb", 20)
    (folder / "pretrained").mkdir()
    (folder / "pretrained" / "bert_config.json").write_text(json.dumps(CONFIG))
    for stage, wrong, layers in (("result1", 1, ("bert/encoder", "loss")), ("result2", 2, ())):
        losses = [0.7, 0.5, 0.4, 0.3]
        (folder / stage).mkdir()
        write_results(folder / stage, wrong, len(losses))
        write_events(folder / stage, {"loss": losses, "train_accuracy": [0.5, 0.75, 0.75, 1]}, layers)
        write_events(folder / stage / "eval", {"eval_accuracy": [1 - wrong / 10], "eval_loss": [0.25]}, start=4)
    (folder / "predict" / "tensorflow").mkdir(parents=True)
    (folder / "predict" / "tensorflow" / "predictions.txt").write_text(GUIDES)
    closing = "largest difference from TensorFlow: 1.2e-07 on 4 reviews, 0 labels differ\n"
    (folder / "predict" / "openvino.txt").write_text(GUIDES.replace("0.01447893", "0.01447899") + closing)

    tf1 = {"tensorflow": "1.15.0", "bert-tensorflow": "1.0.1"}
    train = "--max_seq_length=48 --train_batch_size=32 --random_seed=7"
    phase1 = f"python run_classifier.py {train} --learning_rate=5e-5 --num_train_epochs=2.0"
    phase2 = f"python build/run_classifier.py {train} --learning_rate=2e-5 --num_train_epochs=1.0"
    sample = "--train_size=50 --test_size=10 --random_seed=7"
    write_record(folder, "pretrained", "python -m tf1.pretrained safetensors d/mini-1.0-py3-none-any.whl made-up", tf1)
    write_record(folder, "reviews", f"python -m inputs.reviews rotten_tomatoes d/text-2.0-py3-none-any.whl {sample} r")
    write_record(folder, "result1", phase1, tf1)
    write_record(folder, "result2", phase2, tf1)
    write_record(folder, "ir", "python -m openvino.tools.mo", {"openvino": "2024.6.0"})
    return folder
