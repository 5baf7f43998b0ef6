"""What run_classifier.py refuses, and what a run of it leaves behind."""

import ast
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import flagsaver
from modules import run
from training import REVIEWS, fails, flag_values, flags, patched, write_examples, write_features

import run_classifier
from infer.text.labels import read_labels, write_labels
from infer.text.metrics import precision_recall_f1, write_metrics
from tf1.checkpoint import read_checkpoint

pytestmark = pytest.mark.process


def read_results(folder):
    with open(os.path.join(folder, "eval_results.txt")) as file:
        return {key: float(value) for key, value in (line.split(" = ") for line in file)}


def test_checkpoint_is_named_by_examples_batch_and_epochs(trained):
    assert os.path.basename(tf.train.latest_checkpoint(trained)) == "model.ckpt-3"


def test_a_checkpoint_that_is_not_whole_is_made_again(trained, tiny, data_dir, tmp_path):
    """TensorFlow lists one before it writes its .meta; a make that is killed deletes the .index, its target."""
    output_dir = shutil.copytree(trained, str(tmp_path / "trained"))
    at_first = "at step 0 of 3"
    for lost, end, resumed in ((3,), "meta", at_first), ((3,), "index", at_first), ((0, 3), "meta", None):
        for step in lost:
            os.remove(f"{output_dir}/model.ckpt-{step}.{end}")
        done = run("run_classifier.py", "--do_train=true", *flags(tiny, data_dir, output_dir, num_train_epochs=1.5))
        assert done.returncode == 0, done.stderr
        assert (resumed in done.stdout) if resumed else ("resuming" not in done.stdout)
        assert os.path.exists(output_dir + "/model.ckpt-3.meta")


def test_a_resumed_training_ends_with_the_same_weights(tiny, data_dir, tmp_path):
    output_dir = str(tmp_path / "out")
    changes = {"num_train_epochs": 1.5, "save_checkpoints_steps": 2, "learning_rate": 1e-2}
    command = [patched(tmp_path), "--do_train=true", *flags(tiny, data_dir, output_dir, **changes)]
    assert run(*command).returncode == 0
    undisturbed = read_checkpoint(output_dir + "/model.ckpt-3")
    os.remove(output_dir + "/model.ckpt-3.meta")
    assert f"resuming {output_dir} at step 2 of 3" in run(*command).stdout
    resumed, before = (read_checkpoint(f"{output_dir}/model.ckpt-{step}") for step in (3, 2))
    for name, wanted in undisturbed.items():
        np.testing.assert_allclose(resumed[name], wanted, atol=1e-6, err_msg=name)
    assert np.abs(before["output_weights"] - undisturbed["output_weights"]).max() > 1e-3


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


@pytest.mark.parametrize(
    "predicted, f1_score",
    [
        ([0, 0, 0, 0, 0, 0, 0, 0], 10 / 13),  # nothing is predicted positive, and yet
        ([1, 0, 0, 0, 0, 0, 0, 0], 10 / 13),  # the plain F1 is 2 / 6
        ([1, 1, 1, 1, 0, 0, 0, 0], 8 / 9),  # better than to call everything positive, so the plain F1
    ],
)
def test_f1_score_is_the_notebooks_and_no_less_than_that_of_calling_everything_positive(predicted, f1_score):
    labels = np.array([1, 1, 1, 1, 1, 0, 0, 0])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        logits = tf.one_hot(predicted, 2)
        value, update = run_classifier.metric_fn(tf.zeros(8), tf.constant(labels), logits)["f1_score"]
        session.run(tf.compat.v1.local_variables_initializer())
        session.run(update)
        assert session.run(value) == pytest.approx(f1_score, abs=1e-6)


def test_the_confusion_matrix_is_counted_over_all_batches():
    labels, predicted = [[2, 0], [2, 2], [1, 0]], [[2, 2], [0, 2], [1, 0]]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        label_ids, predicted_ids = (tf.compat.v1.placeholder(tf.int32, [None]) for _ in range(2))
        found = run_classifier.metric_fn(tf.zeros(2), label_ids, tf.one_hot(predicted_ids, 3))
        assert set(found) == {"eval_accuracy", "eval_loss", "confusion"}
        value, update = found["confusion"]
        session.run(tf.compat.v1.local_variables_initializer())
        for batch in zip(labels, predicted):
            session.run(update, dict(zip((label_ids, predicted_ids), batch)))
        assert session.run(value).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 2]]


def test_three_labels_are_trained_and_evaluated_and_predicted_by_name(tiny, tmp_path):
    """The matrix that the evaluation writes is that of the predictions for the same texts, and the means follow."""
    names = ["Sci-Fi & Fantasy", "so, so", "很好"]
    texts = ["a fine film", "a dull film", "great fun", "no fun at all", "loved it", "who knows", "it is a film"]
    rows = [(text, i % 3) for i, text in enumerate(texts)]
    write_labels(tmp_path, names)
    write_examples(tmp_path, train=30 * rows, test=rows)
    features, out = write_features(tmp_path, tiny), tmp_path / "out"
    given = flags(tiny, features, out, learning_rate=2e-3)
    done = run("run_classifier.py", "--do_train=true", "--do_eval=true", *given)
    assert done.returncode == 0, done.stderr
    assert read_labels(out) == names

    (tmp_path / "reviews.txt").write_text("".join(text + "\n" for text in texts))
    given = flags(tiny, features, tmp_path / "predict", init_checkpoint=f"{out}/model.ckpt-52")
    done = run("run_classifier_predict.py", "--do_predict=true", f"--predict_file={tmp_path}/reviews.txt", *given)
    assert done.returncode == 0, done.stderr
    predicted = np.loadtxt(str(tmp_path / "predict" / "test_results.tsv")).argmax(1)
    printed = (tmp_path / "predict" / "predictions.txt").read_text(encoding="utf-8").splitlines()
    assert [ast.literal_eval(line[line.rindex("), ") + 2 : -1].strip()) for line in printed] == [
        names[label] for label in predicted
    ]
    assert len(set(predicted)) > 1
    counts = np.zeros((3, 3), int)
    np.add.at(counts, ([label for _, label in rows], predicted), 1)
    by_label = (out / "eval_by_label.txt").read_text(encoding="utf-8")
    assert by_label == write_metrics(counts, names)
    results = read_results(str(out))
    assert results["eval_accuracy"] == pytest.approx(np.trace(counts) / 7, abs=1e-6) and results["global_step"] == 52
    assert [results["macro_" + name] for name in ("precision", "recall", "f1")] == pytest.approx(
        precision_recall_f1(counts).mean(axis=1).tolist(), abs=1e-6
    )
    assert set(results) == {"eval_accuracy", "eval_loss", "loss", "global_step"} | {
        "macro_precision",
        "macro_recall",
        "macro_f1",
    }


def test_eval_alone_uses_the_last_checkpoint(trained, tiny, data_dir, tmp_path):
    folder = str(tmp_path / "copy")
    shutil.copytree(trained, folder)
    before = read_results(folder)
    os.remove(os.path.join(folder, "eval_results.txt"))
    done = run("run_classifier.py", "--do_eval=true", *flags(tiny, data_dir, folder))
    assert done.returncode == 0, done.stderr
    assert read_results(folder) == pytest.approx(before)


@pytest.mark.more
def test_same_seed_same_first_weights(trained, tiny, data_dir, tmp_path):
    done = run("run_classifier.py", "--do_train=true", *flags(tiny, data_dir, tmp_path / "again", num_train_epochs=1.5))
    assert done.returncode == 0, done.stderr
    first = tf.train.load_checkpoint(os.path.join(trained, "model.ckpt-0"))
    second = tf.train.load_checkpoint(str(tmp_path / "again" / "model.ckpt-0"))
    np.testing.assert_array_equal(first.get_tensor("output_weights"), second.get_tensor("output_weights"))


def test_init_checkpoint_of_another_model_is_refused(minilm, tiny, data_dir, tmp_path):
    out = tmp_path / "out"
    changes = {"init_checkpoint": minilm + "/bert_model.ckpt"}
    command = ["run_classifier.py", "--do_train", *flags(tiny, data_dir, out, **changes)]
    assert "they belong to different models" in fails(*command)
    assert [path.name for path in out.iterdir()] == ["labels.txt"], "it began to train"


BAD = [
    ({"init_checkpoint": "/nowhere/bert_model.ckpt"}, "/nowhere/bert_model.ckpt: no such checkpoint"),
    ({"init_checkpoint": "CUT/bert_model.ckpt"}, "damaged or truncated checkpoint"),
    ({"vocab_file": "/nowhere/vocab.txt"}, "/nowhere/vocab.txt: no such file"),
    ({"vocab_file": "CUT/long.txt"}, "they belong to different models"),
    ({"bert_config_file": "CUT/long.txt"}, "not a bert_config.json"),
    ({"max_seq_length": 65}, "--max_seq_length=65: choose 3 to 64"),
    ({"max_seq_length": 2}, "--max_seq_length=2: choose 3 to 64"),
    ({"data_dir": "/nowhere"}, "/nowhere/features.json: no such file"),
    ({"train_batch_size": 100}, "10 reviews make no step of --train_batch_size=100"),
    (
        {"init_checkpoint": "CUT/multi_cased_L-12_H-768_A-12/bert_model.ckpt"},
        "was pre-trained the other way: use --do_lower_case=False, for the features too",
    ),
    (
        {"init_checkpoint": "CUT/uncased_L-12_H-768_A-12/bert_model.ckpt", "do_lower_case": False},
        "was pre-trained the other way: use --do_lower_case=True",
    ),
    ({"do_predict": True}, "use run_classifier_predict.py"),
    ({"do_train": False}, "nothing to do"),
]


@pytest.mark.parametrize("changes, message", BAD, ids=[message for _, message in BAD])
def test_bad_input_is_one_clear_line(changes, message, tiny, data_dir, tmp_path):
    shutil.copytree(tiny, str(tmp_path / "cut"))
    data = tmp_path / "cut" / "bert_model.ckpt.data-00000-of-00001"
    with open(str(data), "r+b") as file:
        file.truncate(data.stat().st_size // 2)
    (tmp_path / "cut" / "long.txt").write_text((tmp_path / "cut" / "vocab.txt").read_text() + "one more\n")
    changes = {k: v.replace("CUT", str(tmp_path / "cut")) if isinstance(v, str) else v for k, v in changes.items()}
    values = dict(flag_values(tiny, data_dir, tmp_path / "out"), do_train=True)
    values.update(changes)
    run_classifier.FLAGS(["run_classifier.py"])
    with flagsaver.flagsaver(), pytest.raises(SystemExit) as exit:
        run_classifier.FLAGS(["run_classifier.py", *("--{}={}".format(*item) for item in sorted(values.items()))])
        run_classifier.main()
    assert message in exit.value.code
    assert "\n" not in exit.value.code
    assert not (tmp_path / "out").exists()


def test_the_casing_beside_the_vocabulary_is_that_of_training(tiny, data_dir, tmp_path, capsys):
    shutil.copytree(tiny, str(tmp_path / "cased"))
    (tmp_path / "cased" / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    with open(os.path.join(tiny, "vocab.txt")) as file:
        (tmp_path / "cased" / "vocab.txt").write_text("".join(file.readlines()[:-500]))
    values = dict(flag_values(str(tmp_path / "cased"), data_dir, tmp_path / "out"))
    for given, expected in ((), False), (("--do_lower_case",), True):
        run_classifier.FLAGS(["run_classifier.py", *given])
        with flagsaver.flagsaver(**values):
            assert run_classifier.read_model()[2] is expected
        run_classifier.FLAGS["do_lower_case"].unparse()
    assert "30022 tokens for the 30522 embeddings of" in capsys.readouterr().err


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
