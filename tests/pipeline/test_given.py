"""One stage at a time, from a checkpoint or a frozen graph made elsewhere, with nothing downloaded or trained."""

import os
import re
import shutil
import subprocess

import pytest
from checkout import ROOT, clean_environment, make, make_fails

TF1 = ROOT / ".tox/tf1/bin/python"


@pytest.fixture(scope="module")
def given(tiny, tmp_path_factory):
    """The guide's checkpoint of the tiny model, 24 ids long: the path up to model.ckpt-2."""
    folder = tmp_path_factory.mktemp("elsewhere")
    script = ROOT / "tests/pipeline/guide_checkpoint.py"
    done = subprocess.run(
        [TF1, script, tiny / "build/tiny/pretrained", folder, "2"],
        env=clean_environment(PYTHONWARNINGS="ignore", TF_CPP_MIN_LOG_LEVEL="3"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "model.ckpt-2"


@pytest.fixture
def offline(bare, monkeypatch):
    """A bare checkout in which fetching anything would fail."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return bare


def built(checkout):
    """Returns what lies in the one folder of build/, by name."""
    (folder,) = (path for path in (checkout / "build").iterdir() if path.is_dir())
    return {path.name: path for path in folder.iterdir()}


def test_ir_from_the_guides_checkpoint_asks_for_nothing_else(given, offline):
    output = make(offline, "ir", f"CHECKPOINT={given}")
    assert "run_classifier" not in output and "download" not in output and "reviews" not in output
    files = built(offline)
    assert set(files) == {
        *("bert-finetune.pb", "bert-finetune.xml", "bert-finetune.bin", "mo.log"),
        *("pb.record.json", "ir.record.json"),
    }
    assert "<dim>24</dim>" in files["bert-finetune.xml"].read_text(), "the length is the graph's, not the profile's"
    assert "2 records, " in make(offline, "verify", f"CHECKPOINT={given}")
    assert make(offline, "-n", "ir", f"CHECKPOINT={given}") in ("", "make: Nothing to be done for 'ir'.\n")
    assert make(offline, "status", f"CHECKPOINT={given}").splitlines()[:1] == ["pb: as recorded"]


def test_predict_from_the_guides_checkpoint(given, tiny, offline, tmp_path):
    files = [f"VOCAB_FILE={tiny}/build/tiny/pretrained/vocab.txt"]
    files += [f"BERT_CONFIG_FILE={tiny}/build/tiny/pretrained/bert_config.json", f"CHECKPOINT={given}"]
    (tmp_path / "reviews.txt").write_text("a film that goes on and on " * 10 + "\nFine!\n")
    output = make(offline, "predict", *files, f"REVIEWS={tmp_path}/reviews.txt")
    assert "run_classifier.py" not in output and "download" not in output
    assert "on 2 reviews, 0 labels differ" in output.splitlines()[-1]
    assert "24 " in re.search(r"--max_seq_length=(.*)", output)[1]

    config = tmp_path / "config.json"
    config.write_text(open(files[1].split("=")[1]).read().replace('"hidden_size": 32', '"hidden_size": 64'))
    before = built(offline)["predict"].joinpath("openvino.txt").read_text()
    output = make_fails(offline, "predict", *files, f"BERT_CONFIG_FILE={config}")
    assert re.search(r"^\S*model.ckpt-2: bert/\S+ has shape .* they belong to different models$", output, re.M)
    assert "Traceback" not in output
    assert built(offline)["predict"].joinpath("openvino.txt").read_text() == before


def test_the_forms_that_others_read_come_of_the_guides_checkpoint_too(given, tiny, offline):
    """Nothing is fetched or trained for them, and the card claims nothing of where it comes from."""
    vocab = f"VOCAB_FILE={tiny}/build/tiny/pretrained/vocab.txt"
    output = make(offline, "-j2", "huggingface", "onnx", vocab, f"CHECKPOINT={given}")
    assert "run_classifier" not in output and "download" not in output and "reviews" not in output
    files = built(offline)
    assert files["classifier.onnx"].is_file() and (files["huggingface"] / "model.safetensors").is_file()
    card = (files["huggingface"] / "README.md").read_text()
    assert "license: unknown" in card and "model-index" not in card and "| `model.ckpt-2.index` |" in card
    assert str(given.parent) not in card, "the path is the user's own"
    assert "all as recorded" in make(offline, "verify", f"CHECKPOINT={given}")


def test_a_frozen_graph_needs_no_tensorflow_1(given, tiny, offline, tmp_path):
    """Its environment is not there, and neither is a Python 3.7."""
    environments = (offline / ".tox").resolve()
    (offline / ".tox").unlink()
    (offline / ".tox").mkdir()
    for name in ("tools", "openvino", "tools.stamp", "openvino.stamp", "python3.11.txt"):
        (offline / ".tox" / name).symlink_to(environments / name)
    pb = shutil.copy(tiny / "build/tiny/bert-finetune.pb", tmp_path / "mine.pb")
    before = os.stat(pb).st_mtime_ns
    output = make(offline, "ir", f"PB={pb}")
    assert "tf1" not in output and not (offline / ".tox/python3.7.txt").exists()
    assert set(built(offline)) == {"bert-finetune.xml", "bert-finetune.bin", "mo.log", "ir.record.json"}
    assert os.stat(pb).st_mtime_ns == before


def test_what_is_given_lies_apart_from_the_profiles_own_run(given, tiny):
    own = tiny / "build/tiny"
    before = {path: os.stat(path).st_mtime_ns for path in own.rglob("*") if path.is_file()}
    make(tiny, "pb", "fc", "PROFILE=tiny", f"CHECKPOINT={given}")
    make(tiny, "ir", "PROFILE=tiny", "PB=build/tiny/bert-finetune.pb")
    assert {path: os.stat(path).st_mtime_ns for path in own.rglob("*") if path.is_file()} == before
    plan = make(tiny, "-n", "predict", "PROFILE=tiny")
    assert plan.strip() == "cat build/tiny/predict/openvino.txt"


@pytest.mark.parametrize(
    "goal, given_as, message",
    [
        ("ir", "CHECKPOINT=/nowhere/model.ckpt-1", "/nowhere/model.ckpt-1.index: no such file"),
        (
            "pb",
            "CHECKPOINT=README.md",
            "README.md.index: no such file: CHECKPOINT= takes a path up to model.ckpt-N, or",
        ),
        ("pb", "CHECKPOINT=docs", "docs: no config.json in it: CHECKPOINT= takes a path up to model.ckpt-N, or"),
        ("ir", "PB=/nowhere/frozen.pb", "/nowhere/frozen.pb: no such file or folder"),
        ("fc", "PB=README.md", "make fc: a .pb holds no classifier head: add CHECKPOINT="),
        ("huggingface", "PB=README.md", "make huggingface: a .pb holds no classifier head: add CHECKPOINT="),
        ("onnx", "PB=README.md", "make onnx: a .pb holds no classifier head: add CHECKPOINT="),
        ("int8", "PB=README.md", "make int8: a .pb holds no classifier head: add CHECKPOINT="),
        ("ablation", "CHECKPOINT=/nowhere/x", "/nowhere/x.index: no such file"),
        ("pb", "META_GRAPH=README.md", "META_GRAPH=README.md: add CHECKPOINT=, whose weights it is for"),
        ("ir", "PB=README.md", "README.md: not a whole frozen graph"),
        ("predict", "VOCAB_FILE=/nowhere/vocab.txt", "/nowhere/vocab.txt: no such file or folder"),
        ("pb", "DO_LOWER_CASE=yes", "DO_LOWER_CASE='yes': choose 1 or 0"),
        ("predict", "DO_LOWER_CASE=1 HUB_MODULE=docs", "DO_LOWER_CASE=1: HUB_MODULE=docs has its own casing"),
        ("result1", "PB=README.md", "make result1 is about the phases of a run of one's own"),
    ],
)
def test_what_cannot_be_started_from_is_one_clear_line(goal, given_as, message, offline):
    lines = make_fails(offline, goal, *given_as.split()).splitlines()
    assert message in lines[0]
    assert all(re.match(r"(make(\[1\])?|Makefile:\d+): \*\*\* ", line) for line in lines[1:])
    assert not list(offline.glob("build/*/*"))


@pytest.mark.parametrize(
    "files, more, message",
    [
        (("x.index",), (), "/x.meta: no such file: add BERT_CONFIG_FILE=, or copy bert_config.json beside it"),
        (("x.index", "bert_config.json"), (), "/x.meta: no such file: add MAX_SEQ_LENGTH=, as it was trained with"),
        (("x/config.json", "x/pytorch_model.bin"), (), "/x: no model.safetensors in it: save the model with"),
        (("x/config.json", "x/model.safetensors"), ("VOCAB_FILE=README.md",), "*** VOCAB_FILE: "),
        (("x/config.json", "x/model.safetensors"), ("HUB_MODULE=docs",), "*** HUB_MODULE: "),
        (
            ("x/config.json", "x/model.safetensors"),
            (),
            "x/config.json: not the configuration of a BERT that can be read",
        ),
    ],
)
def test_half_a_checkpoint_is_one_clear_line(files, more, message, offline, tmp_path):
    for name in files:
        (tmp_path / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / name).touch()
    output = make_fails(offline, "predict", f"CHECKPOINT={tmp_path}/given/x", *more)
    assert message in output and "Traceback" not in output
    assert not [path for path in offline.glob("build/*/*") if not path.name.endswith(".json")]


def test_a_graph_that_is_no_encoder_is_one_clear_line(given, offline, tmp_path):
    script = "import tensorflow as tf; tf.constant(1); tf.io.write_graph(tf.get_default_graph(), '.', 'x.pb', False)"
    subprocess.run([TF1, "-W", "ignore", "-c", script], cwd=tmp_path, check=True, capture_output=True)
    output = make_fails(offline, "ir", f"PB={tmp_path}/x.pb")
    assert f"{tmp_path}/x.pb: no IteratorGetNext in it: not an encoder that ckpt_to_pb.py froze" in output
