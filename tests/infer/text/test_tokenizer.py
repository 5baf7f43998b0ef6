"""Ids become features and batches; that they are upstream's, tests/pipeline/test_ids.py sees."""

import pytest
from modules import run

from infer.text.tokenizer import to_features


def test_features_are_framed_cut_and_padded():
    input_ids, input_mask, segment_ids = to_features([7, 8, 9], (2, 3), 8)
    assert input_ids.tolist() == [[2, 7, 8, 9, 3, 0, 0, 0]]
    assert input_mask.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert segment_ids.tolist() == [[0] * 8]
    assert to_features(list(range(4, 99)), (2, 3), 8)[0].tolist() == [[2, 4, 5, 6, 7, 8, 9, 3]]
    assert to_features([], (2, 3), 8)[0].tolist() == [[2, 3, 0, 0, 0, 0, 0, 0]]


@pytest.mark.process
def test_texts_become_batches_without_openvino():
    done = run("-c", "import sys, infer.text.tokenizer; print('openvino' in sys.modules)")
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
