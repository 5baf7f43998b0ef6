"""`make serve`, as far as it is Make's: what it serves, and what it refuses before anything is made."""

import json
import os
import signal
import urllib.request

import numpy as np
import pytest
from checkout import FP32, make, make_fails, start
from test_classifier import REVIEWS, TINY, infer


@pytest.mark.parametrize("engine", [(), pytest.param(("ENGINE=ray", "REPLICAS=1"), marks=pytest.mark.more)])
def test_serve_answers_what_the_classifier_does_and_holds_no_lock(tiny, tmp_path, engine):
    (tmp_path / "a token").write_text("0123456789abcdef\n")
    process = start(tiny, "serve", TINY, "PORT=0", f"TOKEN_FILE={tmp_path}/a token", *engine)
    try:
        line = next(line for line in process.stdout if line.startswith("serving build/tiny/classifier.xml at "))
        request = urllib.request.Request(
            line.split()[-1] + "/predict",
            json.dumps({"inputs": REVIEWS}).encode(),
            {"Authorization": "Bearer 0123456789abcdef"},
        )
        with urllib.request.urlopen(request) as response:
            answers = json.load(response)
        make(tiny, "classifier", TINY)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()
    found = [{prediction["label"]: prediction["score"] for prediction in answer} for answer in answers]
    expected = infer("openvino-current", "-m", tiny / "build/tiny/classifier.xml", *REVIEWS)
    found = [[scores["Negative"], scores["Positive"]] for scores in found]
    np.testing.assert_allclose(found, expected, atol=FP32, rtol=0)


@pytest.mark.parametrize(
    "given, message",
    [
        (["PORT=http"], "PORT='http': must be a whole number, such as 8080"),
        (["HOST="], "HOST= is empty"),
        (["HOST=0.0.0.0"], "HOST=0.0.0.0: others can reach it: add TOKEN_FILE=, or INSECURE=1"),
        (["HOST=0.0.0.0", "INSECURE=0"], "HOST=0.0.0.0: others can reach it: add TOKEN_FILE=, or INSECURE=1"),
        (["PRECISION=fp32,fp64"], "PRECISION='fp32,fp64': choose fp32, bf16, int8 or auto"),
        (["TOKEN_FILE=no such file"], "no such file: no such file or folder"),
        (["ENGINE=spark"], "ENGINE='spark': choose local or ray"),
        (["REPLICAS=2"], "REPLICAS=2: add ENGINE=ray, or leave it out"),
        (["ENGINE=ray", "REPLICAS=0"], "REPLICAS=0: must be a positive whole number"),
        (["PB=film.pb"], "a .pb holds no classifier head: add CHECKPOINT="),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(given, message, bare):
    (bare / "film.pb").touch()
    output = make_fails(bare, "serve", *given)
    assert len([line for line in output.splitlines() if message in line]) == 1, output
    assert not (bare / "build/minilm").exists()
