"""What run_classifier_predict.py prints, and what it refuses."""

import os
import re

import numpy as np
import pytest
from modules import run
from training import fails, flags

pytestmark = pytest.mark.process


def test_predict_prints_and_writes_the_guides_form(trained, tiny, data_dir, tmp_path):
    done = run(
        "run_classifier_predict.py",
        "--do_predict=true",
        *flags(tiny, data_dir, tmp_path / "out", init_checkpoint=trained + "/model.ckpt-3"),
    )
    assert done.returncode == 0 and "longer than" not in done.stderr, done.stderr
    with open(str(tmp_path / "out" / "predictions.txt")) as file:
        text = file.read()
    assert done.stdout == text
    lines = text.splitlines()
    assert len(lines) == 4
    form = r"\('That movie was absolutely awful', array\(\[[\d., e-]+\], dtype=float32\), '(Negative|Positive)'\)"
    assert re.match(form, lines[0])
    probabilities = np.loadtxt(str(tmp_path / "out" / "test_results.tsv"))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


def test_what_is_cut_is_said(trained, tiny, data_dir, tmp_path):
    (tmp_path / "in.txt").write_text("good\n" + "good " * 1000 + "\n")
    checkpoint = {"init_checkpoint": trained + "/model.ckpt-3", "predict_file": str(tmp_path / "in.txt")}
    arguments = flags(tiny, data_dir, tmp_path / "out", **checkpoint)
    done = run("run_classifier_predict.py", "--do_predict=true", *arguments)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2, done.stderr
    assert re.search(r"in\.txt: 1 of 2 texts is longer than the \d+ WordPieces that the model reads; not", done.stderr)


def test_a_pretrained_checkpoint_is_no_fine_tuned_one(tiny, data_dir, tmp_path):
    out = ["--do_predict=true", *flags(tiny, data_dir, tmp_path / "out")]
    assert "bert_model.ckpt" in fails("run_classifier_predict.py", *out)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_another_model_is_refused(trained, tiny, data_dir, tmp_path):
    other = tmp_path / "other.json"
    with open(os.path.join(tiny, "bert_config.json")) as file:
        other.write_text(file.read().replace('"hidden_size": 32', '"hidden_size": 64'))
    out = tmp_path / "out"
    changes = {"init_checkpoint": trained + "/model.ckpt-3", "bert_config_file": str(other)}
    command = ["run_classifier_predict.py", "--do_predict", *flags(tiny, data_dir, out, **changes)]
    assert "they belong to different models" in fails(*command)
    assert not list(out.glob("model.ckpt*")) and not list(out.glob("*.t*"))
