"""Ids become features and batches; that they are upstream's, tests/pipeline/test_ids.py sees."""

import pytest
from modules import run

from infer.text.tokenizer import load_tokenizer, to_features


def test_features_are_framed_cut_and_padded():
    input_ids, input_mask, segment_ids = to_features([7, 8, 9], (2, 3), 8)
    assert input_ids.tolist() == [[2, 7, 8, 9, 3, 0, 0, 0]]
    assert input_mask.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert segment_ids.tolist() == [[0] * 8]
    assert to_features(list(range(4, 99)), (2, 3), 8)[0].tolist() == [[2, 4, 5, 6, 7, 8, 9, 3]]
    assert to_features([], (2, 3), 8)[0].tolist() == [[2, 3, 0, 0, 0, 0, 0, 0]]


def test_what_unicode_11_has_not_assigned_is_dropped():
    """As bert-tensorflow 1.0.1 does on Python 3.7, where google-research/bert on GitHub has [UNK]."""
    vocab = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "great", "film"])}
    encode = load_tokenizer(vocab)
    melting_face_of_unicode_14, private_use, zany_face_of_unicode_10 = "\U0001fae0", "\ue000", "\U0001f92a"
    assert encode([f"great {char} film" for char in (melting_face_of_unicode_14, private_use)]) == [[4, 5], [4, 5]]
    assert encode([f"great {zany_face_of_unicode_10} film"]) == [[4, 1, 5]]


@pytest.mark.process
def test_texts_become_batches_without_openvino():
    done = run("-c", "import sys, infer.text.tokenizer; print('openvino' in sys.modules)")
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
