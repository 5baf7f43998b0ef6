"""The string graph from C++, against OpenVINO's own headers and libraries; this takes g++."""

import json
import subprocess

import numpy as np
import pytest
from checkout import FP32, ROOT, clean_environment, make
from test_classifier import REVIEWS, infer
from test_string import WITH

pytestmark = pytest.mark.more
PACKAGES = ROOT / ".tox/openvino-current/lib/python3.11/site-packages"


def test_texts_from_cplusplus(tiny, tmp_path):
    make(tiny, *WITH)
    openvino = PACKAGES / "openvino"
    (library,) = openvino.glob("libs/libopenvino.so.*")
    words = ["g++", "-std=c++17", ROOT / "tests/products/client.cpp", f"-I{openvino}/include", library]
    words += [f"-Wl,-rpath,{library.parent}", "-o", tmp_path / "client"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    extension = PACKAGES / "openvino_tokenizers/lib/libopenvino_tokenizers.so"
    done = subprocess.run(
        [tmp_path / "client", extension, tiny / "build/tiny/string/classifier.xml"],
        env=clean_environment(),
        input="".join(f"{text}\n" for text in REVIEWS),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *numbers, labels = done.stdout.splitlines()
    expected = infer("openvino", "-m", tiny / "build/tiny/bert-finetune.xml", *REVIEWS)
    np.testing.assert_allclose(np.array(numbers, float).reshape(-1, 2), expected, atol=FP32, rtol=0)
    assert json.loads(labels) == ["Negative", "Positive"]
