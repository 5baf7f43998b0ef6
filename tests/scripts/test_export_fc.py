"""What export_fc.py refuses."""

import os

import numpy as np
import pytest
from training import fails

from tf1.pretrained import save

pytestmark = pytest.mark.process


def test_a_pretrained_or_missing_checkpoint_is_no_fine_tuned_one(tiny, tmp_path):
    out = [f"--output_dir={tmp_path}", f"--init_checkpoint={tiny}/bert_model.ckpt"]
    assert "bert_model.ckpt" in fails("export_fc.py", *out)
    fails("export_fc.py", out[0], "--init_checkpoint=/nowhere/model.ckpt-1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("weights", [np.zeros((3, 4), "f4"), np.zeros((2, 4), "f8"), np.array(b"text")])
def test_a_head_of_another_kind_is_one_clear_line(weights, tmp_path):
    """Of text NumPy would make a pickle."""
    save({"output_weights": weights, "output_bias": np.zeros(2, "f4")}, str(tmp_path / "model.ckpt-1"))
    (tmp_path / "out").mkdir()
    line = fails("export_fc.py", f"--init_checkpoint={tmp_path}/model.ckpt-1", f"--output_dir={tmp_path}/out")
    assert "not a classifier of 2 labels" in line and not os.listdir(str(tmp_path / "out"))
