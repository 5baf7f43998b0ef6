"""An encoder that can be checked by hand, as `make ir fc` leaves it."""

import numpy as np
import pytest
from modules import ROOT

DOWNLOADS = ROOT / "build" / "downloads"
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s", ",", "[", "]", "sep", "mask"]


@pytest.fixture
def head(tmp_path):
    """A folder with weight.npy and bias.npy, of hidden size 2."""
    np.save(tmp_path / "weight.npy", np.array([[0, 1], [1, 0]], np.float32))
    np.save(tmp_path / "bias.npy", np.array([0.1, 0], np.float32))
    return tmp_path


@pytest.fixture
def model(head):
    """A folder as `make ir fc` leaves it, with an encoder that can be checked by hand.

    Its pooled output is (sum of masked ids, sum of segment ids) / 100, and the head tells one from the other.
    """
    import openvino as ov
    from openvino.runtime import opset13 as ops  # of the openvino environment only

    ids, mask, segments = inputs = [ops.parameter([1, 8], np.int32, name=f"IteratorGetNext:{i}") for i in (0, 1, 3)]
    sums = [ops.reduce_sum(x, [1], keep_dims=True) for x in (ops.multiply(ids, mask), segments)]
    output = ops.divide(ops.convert(ops.concat(sums, 1), "f32"), np.float32(100))
    for parameter, port in zip(inputs, (0, 1, 3), strict=True):
        parameter.output(0).get_tensor().set_names({f"IteratorGetNext:{port}"})
    ov.save_model(ov.Model([output], inputs), head / "bert-finetune.xml", compress_to_fp16=False)
    (head / "pretrained").mkdir()
    (head / "pretrained" / "vocab.txt").write_text("\n".join(VOCAB) + "\n")
    return head / "bert-finetune.xml"
