"""What export_fc.py exports, and what it refuses."""

import os

import numpy as np
import pytest
from modules import run
from training import fails

from infer.text.labels import read_labels, write_labels
from tf1.pretrained import save

pytestmark = pytest.mark.process


def test_a_pretrained_or_missing_checkpoint_is_no_fine_tuned_one(tiny, tmp_path):
    out = [f"--output_dir={tmp_path}", f"--init_checkpoint={tiny}/bert_model.ckpt"]
    assert "bert_model.ckpt" in fails("export_fc.py", *out)
    fails("export_fc.py", out[0], "--init_checkpoint=/nowhere/model.ckpt-1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("weights", [np.zeros((1, 4), "f4"), np.zeros((2, 4), "f8"), np.array(b"text")])
def test_a_head_of_another_kind_is_one_clear_line(weights, tmp_path):
    """Of text NumPy would make a pickle."""
    save({"output_weights": weights, "output_bias": np.zeros(2, "f4")}, str(tmp_path / "model.ckpt-1"))
    (tmp_path / "out").mkdir()
    line = fails("export_fc.py", f"--init_checkpoint={tmp_path}/model.ckpt-1", f"--output_dir={tmp_path}/out")
    assert "not a classifier head" in line and not os.listdir(str(tmp_path / "out"))


def test_labels_travel_from_the_checkpoint_to_the_head(tmp_path):
    weights = np.arange(12, dtype="f4").reshape(3, 4)
    save({"output_weights": weights, "output_bias": np.zeros(3, "f4")}, str(tmp_path / "model.ckpt-1"))
    (tmp_path / "out").mkdir()
    command = "export_fc.py", f"--init_checkpoint={tmp_path}/model.ckpt-1", f"--output_dir={tmp_path}/out"
    names = ["Sci-Fi & Fantasy", 'it\'s "so, so"', "很好"]
    for given, expected in ((None, ["0", "1", "2"]), (names, names)):
        if given:
            write_labels(tmp_path, given)
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert read_labels(tmp_path / "out") == expected
        np.testing.assert_array_equal(np.load(str(tmp_path / "out" / "weight.npy")), weights)
    write_labels(tmp_path, names[:2])
    assert "labels.txt: 2 labels, but the model has 3: they belong to different models" in fails(*command)
    assert read_labels(tmp_path / "out") == names
