"""What run_classifier.py refuses, and what a run of it leaves behind."""

import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import flagsaver
from modules import run
from training import REVIEWS, fails

import run_classifier


def flag_values(pretrained, reviews, output_dir):
    return {
        "data_dir": reviews,
        "vocab_file": pretrained + "/vocab.txt",
        "bert_config_file": pretrained + "/bert_config.json",
        "init_checkpoint": pretrained + "/bert_model.ckpt",
        "max_seq_length": 16,
        "train_batch_size": 4,
        "num_train_epochs": 1.0,
        "output_dir": str(output_dir),
    }


def flags(pretrained, reviews, output_dir, **changes):
    values = dict(flag_values(pretrained, reviews, output_dir), **changes)
    return ["--{}={}".format(*item) for item in sorted(values.items())]


@pytest.fixture(scope="session")
def trained(tiny, data_dir, tmp_path_factory):
    """The output folder of a real run, training and evaluation: int(10 / 4 * 1.5) = 3 steps."""
    output_dir = tmp_path_factory.mktemp("trained")
    done = run(
        "run_classifier.py",
        "--do_train=true",
        "--do_eval=true",
        *flags(tiny, data_dir, output_dir, num_train_epochs=1.5),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"3/3 \[.*examples/s\]", done.stderr), "no progress with steps, time left and examples/s"
    return str(output_dir)


def read_results(folder):
    with open(os.path.join(folder, "eval_results.txt")) as file:
        return {key: float(value) for key, value in (line.split(" = ") for line in file)}


def test_checkpoint_is_named_by_examples_batch_and_epochs(trained):
    assert os.path.basename(tf.train.latest_checkpoint(trained)) == "model.ckpt-3"


def test_a_checkpoint_that_was_killed_before_its_meta_graph_is_made_again(trained, tiny, data_dir, tmp_path):
    """TensorFlow lists a checkpoint before it writes its .meta, without which it can't be frozen."""
    output_dir = shutil.copytree(trained, str(tmp_path / "trained"))
    for lost, resumed in ((3,), "at step 0 of 3"), ((0, 3), None):
        for step in lost:
            os.remove(f"{output_dir}/model.ckpt-{step}.meta")
        done = run("run_classifier.py", "--do_train=true", *flags(tiny, data_dir, output_dir, num_train_epochs=1.5))
        assert done.returncode == 0, done.stderr
        assert (resumed in done.stdout) if resumed else ("resuming" not in done.stdout)
        assert os.path.exists(output_dir + "/model.ckpt-3.meta")


def test_metrics_are_the_notebooks_and_agree_with_each_other(trained):
    results = read_results(trained)
    counts = {name: count for name, count in results.items() if name.endswith(("positives", "negatives"))}
    assert sum(counts.values()) == len(REVIEWS)
    assert counts["true_positives"] + counts["false_negatives"] == 3
    right = counts["true_positives"] + counts["true_negatives"]
    assert results["eval_accuracy"] == pytest.approx(right / len(REVIEWS))
    assert results["recall"] == pytest.approx(counts["true_positives"] / 3)
    assert results["global_step"] == 3
    assert {"auc", "f1_score", "precision", "loss", "eval_loss"} <= set(results)
    assert np.isfinite(list(results.values())).all()


def test_eval_alone_uses_the_last_checkpoint(trained, tiny, data_dir, tmp_path):
    folder = str(tmp_path / "copy")
    shutil.copytree(trained, folder)
    before = read_results(folder)
    os.remove(os.path.join(folder, "eval_results.txt"))
    done = run("run_classifier.py", "--do_eval=true", *flags(tiny, data_dir, folder))
    assert done.returncode == 0, done.stderr
    assert read_results(folder) == pytest.approx(before)


def test_same_seed_same_first_weights(trained, tiny, data_dir, tmp_path):
    done = run("run_classifier.py", "--do_train=true", *flags(tiny, data_dir, tmp_path / "again", num_train_epochs=1.5))
    assert done.returncode == 0, done.stderr
    first = tf.train.load_checkpoint(os.path.join(trained, "model.ckpt-0"))
    second = tf.train.load_checkpoint(str(tmp_path / "again" / "model.ckpt-0"))
    np.testing.assert_array_equal(first.get_tensor("output_weights"), second.get_tensor("output_weights"))


def test_init_checkpoint_of_another_model_is_refused(minilm, trained, tiny, data_dir, tmp_path):
    other = tmp_path / "other.json"
    with open(os.path.join(tiny, "bert_config.json")) as file:
        other.write_text(file.read().replace('"hidden_size": 32', '"hidden_size": 64'))
    out = tmp_path / "out"
    for command in (
        ["run_classifier.py", "--do_train", *flags(tiny, data_dir, out, init_checkpoint=minilm + "/bert_model.ckpt")],
        [
            "run_classifier_predict.py",
            "--do_predict",
            *flags(tiny, data_dir, out, init_checkpoint=trained + "/model.ckpt-3", bert_config_file=str(other)),
        ],
    ):
        assert "they belong to different models" in fails(*command)
    assert not list(out.glob("model.ckpt*")) and not list(out.glob("*.t*"))


BAD = [
    ({"init_checkpoint": "/nowhere/bert_model.ckpt"}, "/nowhere/bert_model.ckpt: no such checkpoint"),
    ({"init_checkpoint": "CUT/bert_model.ckpt"}, "damaged or truncated checkpoint"),
    ({"vocab_file": "/nowhere/vocab.txt"}, "/nowhere/vocab.txt: no such file"),
    ({"vocab_file": "CUT/short.txt"}, "they belong to different models"),
    ({"bert_config_file": "CUT/short.txt"}, "not a bert_config.json"),
    ({"max_seq_length": 65}, "--max_seq_length=65: choose 3 to 64"),
    ({"max_seq_length": 2}, "--max_seq_length=2: choose 3 to 64"),
    ({"data_dir": "/nowhere"}, "/nowhere/features.json: no such file"),
    ({"train_batch_size": 100}, "10 reviews make no step of --train_batch_size=100"),
    ({"do_predict": True}, "use run_classifier_predict.py"),
    ({"do_train": False}, "nothing to do"),
]


@pytest.mark.parametrize("changes, message", BAD, ids=[message for _, message in BAD])
def test_bad_input_is_one_clear_line(changes, message, tiny, data_dir, tmp_path):
    shutil.copytree(tiny, str(tmp_path / "cut"))
    data = tmp_path / "cut" / "bert_model.ckpt.data-00000-of-00001"
    with open(str(data), "r+b") as file:
        file.truncate(data.stat().st_size // 2)
    (tmp_path / "cut" / "short.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
    changes = {k: v.replace("CUT", str(tmp_path / "cut")) if isinstance(v, str) else v for k, v in changes.items()}
    values = dict(flag_values(tiny, data_dir, tmp_path / "out"), do_train=True)
    values.update(changes)
    run_classifier.FLAGS(["run_classifier.py"])
    with flagsaver.flagsaver(**values), pytest.raises(SystemExit) as exit:
        run_classifier.main()
    assert message in exit.value.code
    assert "\n" not in exit.value.code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--task_name=CoLA", "Unknown command line flag 'task_name'"),
        ("--num_train_epoch=1", "Unknown command line flag 'num_train_epoch'"),
        ("false", "false: not a flag"),
        ("--train_batch_size=0", "flag --train_batch_size=0: must be positive"),
    ],
)
def test_what_belongs_to_no_flag_is_refused(flag, message, tiny, data_dir, tmp_path):
    assert message in fails("run_classifier.py", *flags(tiny, data_dir, tmp_path / "out"), "--do_train", flag)
    assert not (tmp_path / "out").exists()


def test_predict_prints_and_writes_the_guides_form(trained, tiny, data_dir, tmp_path):
    done = run(
        "run_classifier_predict.py",
        "--do_predict=true",
        *flags(tiny, data_dir, tmp_path / "out", init_checkpoint=trained + "/model.ckpt-3"),
    )
    assert done.returncode == 0, done.stderr
    with open(str(tmp_path / "out" / "predictions.txt")) as file:
        text = file.read()
    assert done.stdout == text
    lines = text.splitlines()
    assert len(lines) == 4
    form = r"\('That movie was absolutely awful', array\(\[[\d., e-]+\], dtype=float32\), '(Negative|Positive)'\)"
    assert re.match(form, lines[0])
    probabilities = np.loadtxt(str(tmp_path / "out" / "test_results.tsv"))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("script", ["run_classifier_predict.py", "ckpt_to_pb.py", "export_fc.py"])
def test_pretrained_or_missing_checkpoint_is_no_fine_tuned_one(script, tiny, data_dir, tmp_path):
    out = {
        "run_classifier_predict.py": ["--do_predict=true", *flags(tiny, data_dir, tmp_path / "out")],
        "ckpt_to_pb.py": [f"--output_file={tmp_path}/out.pb", f"--init_checkpoint={tiny}/bert_model.ckpt"],
        "export_fc.py": [f"--output_dir={tmp_path}", f"--init_checkpoint={tiny}/bert_model.ckpt"],
    }[script]
    assert "bert_model.ckpt" in fails(script, *out)
    out[-1] = out[-1] if script == "run_classifier_predict.py" else "--init_checkpoint=/nowhere/model.ckpt-1"
    fails(script, *out)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_l12_freezes_to_the_guides_1636_ops(l12):
    graph_def = tf.compat.v1.GraphDef()
    with open(l12 + "/bert-finetune.pb", "rb") as file:
        graph_def.ParseFromString(file.read())
    assert len(graph_def.node) == 1636
    nodes = {node.name: node for node in graph_def.node}
    assert "bert/pooler/dense/Tanh" in nodes and not any("dropout" in name for name in nodes)
    for port in (0, 1, 3):
        shape = nodes["IteratorGetNext"].attr["output_shapes"].list.shape[port]
        assert [dim.size for dim in shape.dim] == [-1, 16]
