"""SIGKILL at several moments of every stage, then make again: it ends as if nothing had happened."""

import ast
import os
import re
import shutil
import signal
import subprocess
import threading

import numpy as np
import pytest
from checkout import copy_checkout, make, start

GOALS = ("predict", "classifier", "int8", "PROFILE=tiny")
MOMENTS = (0.05, 0.3, 0.6, 0.9)  # of the time that the stage takes undisturbed
# What each stage prints when it starts, in their order, and how long it then takes on two cores, in seconds.
TRAINING = {
    "-m inputs.pretrained ": 2.0,
    "-m inputs.reviews ": 0.8,
    "python run_classifier.py ": 8.0,
    "python build/tiny/run_classifier.py ": 8.0,
}
AFTER = {
    "python run_classifier_predict.py ": 3.5,
    "python ckpt_to_pb.py ": 2.5,
    "-m openvino.tools.mo ": 3.5,
    "python export_fc.py ": 1.5,
    "-m infer -m build/tiny/bert-finetune.xml ": 0.8,
    "-m infer.convert classifier ": 1.0,
    "-m infer.quantize ": 4.0,
}
STAGES = [*TRAINING, *AFTER]


def kill_in(checkout, stage, seconds):
    """Starts make and kills it and its children so many seconds after the stage's command was printed.

    Returns: what it printed, or None if the stage had ended before, in which case make was killed as the next began.
    """
    process = start(checkout, *GOALS, stderr=subprocess.STDOUT)
    timer = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
    printed = ""
    for line in process.stdout:
        printed += line
        if stage in line:
            timer.start()
        elif any(later in line for later in STAGES[STAGES.index(stage) + 1 :]):
            timer.cancel()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None
    timer.cancel()
    return printed if process.wait() == -signal.SIGKILL else None


def kill_through(checkout, stages):
    """Kills make at the MOMENTS of each stage; returns what the killed ones printed, by stage."""
    return {
        stage: [text for moment in MOMENTS if (text := kill_in(checkout, stage, moment * seconds)) is not None]
        for stage, seconds in stages.items()
    }


def answers(build):
    """Returns the probabilities (reviews, labels) of the guide's path, of the classifier and of INT8."""
    found = re.findall(r"array\((\[.*?\])", (build / "predict/openvino.txt").read_text())
    return np.array([ast.literal_eval(numbers) for numbers in found])


@pytest.fixture(scope="module")
def whole(tiny):
    """The build folder of an undisturbed run."""
    make(tiny, "-j2", *GOALS)
    return tiny / "build/tiny"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("killed") / "checkout")


def test_training_killed_anywhere_resumes_and_ends_with_the_same_labels(whole, checkout):
    build = checkout / "build/tiny"
    killed = kill_through(checkout, TRAINING)
    assert sum(map(len, killed.values())) >= 12
    make(checkout, *GOALS)
    assert any("resuming build/tiny/result1 at step" in text for text in killed["python run_classifier.py "])
    np.testing.assert_array_equal(answers(build).argmax(1), answers(whole).argmax(1))
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")


def test_what_follows_killed_anywhere_ends_with_the_same_probabilities(whole, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    build = checkout / "build/tiny"
    shutil.copytree(whole, build)
    for name in ("predict", "int8", "bert-finetune.pb", "bert-finetune.xml", "weight.npy", "classifier.xml"):
        path = build / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    killed = kill_through(checkout, AFTER)
    assert sum(map(len, killed.values())) >= 20
    make(checkout, *GOALS)
    np.testing.assert_allclose(answers(build), answers(whole), atol=1e-5)
    for name in ("weight.npy", "bert-finetune.pb", "classifier.bin"):
        assert (build / name).read_bytes() == (whole / name).read_bytes()
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")
