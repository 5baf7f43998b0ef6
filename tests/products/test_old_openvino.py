"""`make old-stack`: what the guide's OpenVINO makes and answers of this run's frozen graph."""

import re

import numpy as np
import pytest
from checkout import FP32, answers, make
from test_classifier import TINY


@pytest.mark.more
def test_the_guides_openvino_takes_its_own_flags_and_answers_the_same(tiny):
    made = make(tiny, "build/tiny/old-stack/openvino.txt", TINY)
    assert "--framework tf" in made and "--disable_nhwc_to_nchw" in made
    *lines, last = (tiny / "build/tiny/old-stack/openvino.txt").read_text().splitlines()
    today = (tiny / "build/tiny/predict/openvino.txt").read_text().splitlines()
    assert [line.split(", array")[0] for line in lines] == [line.split(", array")[0] for line in today[:-1]]
    found = re.fullmatch(
        r"largest difference of OpenVINO 2021.4.2 from today's: (\S+) on 4 reviews, 0 labels differ", last
    )
    assert float(found[1]) <= FP32 < np.ptp(answers(tiny / "build/tiny")[:, 1])
    assert not make(tiny, "build/tiny/old-stack/openvino.txt", TINY), "as recorded"
    assert "all as recorded" in make(tiny, "verify", TINY)
