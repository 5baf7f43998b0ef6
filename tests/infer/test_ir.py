"""The IR's two files: what is written, over what, and what is said of OpenVINO's errors."""

import os

import numpy as np
import openvino as ov
import pytest
from small import LENGTH

from infer import Classifier
from infer.ir import NO_SEAL, check_values, read_info, reason, save_classifier, save_model, values_of, write_info


@pytest.mark.parametrize(
    "message, expected",
    [("one", "one"), ("Exception from src/core.cpp:9:\nwhat\n happened \n\n", "happened"), ("", "RuntimeError")],
)
def test_of_an_error_its_last_line_is_said(message, expected):
    assert reason(RuntimeError(message)) == expected


def test_an_ir_is_not_written_into_files_that_have_another_name_too(classifier, tmp_path):
    """Such as those of a build that was copied with hard links: one of its stages is made again, the other's stays."""
    path = tmp_path / "classifier.xml"
    files = [path, path.with_suffix(".bin")]
    network = ov.Core().read_model(classifier)
    save_classifier(network, path)
    before = [file.read_bytes() for file in files]
    for file in files:
        os.link(file, tmp_path / f"other{file.suffix}")
    x = ov.opset13.parameter([1], np.float32)
    save_model(ov.Model([ov.opset13.add(x, np.float32([7]))], [x]), path)
    assert [(tmp_path / f"other{file.suffix}").read_bytes() for file in files] == before
    (answer,) = ov.Core().compile_model(path, "CPU")([np.float32([1])]).values()
    assert answer == [8]


def test_a_word_that_looks_like_no_seal_is_left_alone(classifier, tmp_path):
    network, path = ov.Core().read_model(classifier), tmp_path / "classifier.xml"
    write_info(network, *values_of(network)[:1], ["Negative", NO_SEAL], True, LENGTH)
    save_classifier(network, path)
    assert Classifier(path).labels == ["Negative", NO_SEAL]


@pytest.mark.parametrize("length", [2, 3.0, "3", None])
def test_a_model_of_one_wordpiece_is_the_shortest(classifier, length):
    *values, _ = read_info(classifier)[1]
    check_values(*values, 3)
    with pytest.raises(ValueError, match="its do_lower_case or max_seq_length makes no sense"):
        check_values(*values, length)
