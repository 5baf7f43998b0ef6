"""SIGKILL at several moments of every stage, and Ctrl-C, then make again: it ends as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from conftest import GOALS, ROOT, answers, clean_environment, copy_checkout, make, start

MOMENTS = (0.05, 0.3, 0.6, 0.9)  # of the time that the stage takes undisturbed
# What each stage prints when it starts, in their order, and the record that says how long it takes undisturbed.
TRAINING = {
    "-m inputs.pretrained ": "pretrained",
    "-m inputs.reviews ": "reviews",
    "python run_classifier.py ": "result1",
    "python build/tiny/run_classifier.py ": "result2",
}
AFTER = {
    "python run_classifier_predict.py ": "predict/tensorflow",
    "python ckpt_to_pb.py ": "pb",
    "-m openvino.tools.mo ": "ir",
    "python export_fc.py ": "fc",
    "-m infer -m build/tiny/bert-finetune.xml ": "predict/openvino",
    "-m infer.convert classifier ": "classifier",
    "-m infer.quantize ": "int8",
}
STAGES = [*TRAINING, *AFTER]


def end_in(checkout, stage, seconds, number):
    """Starts make and sends it and its children a signal so many seconds after the stage's command was printed.

    Returns: what it printed, or None if the stage had ended before, in which case make was killed as the next began.
    """
    process = start(checkout, *GOALS, stderr=subprocess.STDOUT)
    timers = [
        threading.Timer(seconds, os.killpg, (process.pid, number)),
        threading.Timer(seconds + 5, os.killpg, (process.pid, signal.SIGALRM)),  # it should have ended long since
    ]
    printed = ""
    for line in process.stdout:
        printed += line
        if stage in line:
            for timer in timers:
                timer.start()
        elif any(later in line for later in STAGES[STAGES.index(stage) + 1 :]):
            os.killpg(process.pid, signal.SIGKILL)
            number = None
    for timer in timers:
        timer.cancel()
    ended_by = -process.wait()
    assert ended_by != signal.SIGALRM, f"{stage}: not ended five seconds after signal {number}"
    deadline = time.monotonic() + 5
    while subprocess.run(["pgrep", "--pgroup", str(process.pid)], stdout=subprocess.DEVNULL).returncode == 0:
        assert time.monotonic() < deadline, f"{stage}: children left five seconds after signal {number}"
    return printed if ended_by == number else None


def end_through(checkout, whole, stages):
    """Interrupts make in each stage and kills it at the MOMENTS; returns what it printed, by stage."""
    printed = {stage: [] for stage in stages}
    for stage, name in stages.items():
        seconds = json.loads((whole / f"{name}.record.json").read_text())["seconds"]
        for moment, number in [(0.45, signal.SIGINT), *((moment, signal.SIGKILL) for moment in MOMENTS)]:
            while (text := end_in(checkout, stage, moment * seconds, number)) is None:
                seconds *= 0.8  # it is quicker this time, or goes on from a checkpoint: once more, from nothing
                made = checkout / "build/tiny" / name
                shutil.rmtree(made, ignore_errors=True)
                made.with_name(f"{made.name}.record.json").unlink(missing_ok=True)
            if number == signal.SIGINT:
                assert text.count("interrupted: run it again to go on") == 1 and "Traceback" not in text, text
            printed[stage].append(text)
    return printed


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("killed") / "checkout")


def test_training_killed_anywhere_resumes_and_ends_with_the_same_labels(whole, checkout):
    build = checkout / "build/tiny"
    printed = end_through(checkout, whole, TRAINING)
    make(checkout, *GOALS)
    assert any("resuming build/tiny/result1 at step" in text for texts in printed.values() for text in texts)
    np.testing.assert_array_equal(answers(build).argmax(1), answers(whole).argmax(1))
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")


def test_what_follows_killed_anywhere_ends_with_the_same_probabilities(whole, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    build = checkout / "build/tiny"
    shutil.copytree(whole, build)
    for name in ("predict", "int8", "bert-finetune.pb", "bert-finetune.xml", "weight.npy", "classifier.xml"):
        path = build / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    end_through(checkout, whole, AFTER)
    make(checkout, *GOALS)
    np.testing.assert_allclose(answers(build), answers(whole), atol=1e-5)
    for name in ("weight.npy", "bert-finetune.pb", "classifier.bin"):
        assert (build / name).read_bytes() == (whole / name).read_bytes()
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")


# Prints what an environment lacks of the files that its packages list.
MISSING = """
from importlib.metadata import distributions
print([file for package in distributions() for file in package.files if not file.locate().exists()])
"""
CREATION = {".tox/tools": (0.5, 2, 4, 6), ".tox/audit": (0.3, 0.6, 1, 2)}  # seconds after it began


def test_an_environment_killed_while_it_is_made_is_made_again(tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / ".tox").unlink()
    (checkout / ".tox").mkdir()
    for name in ("python3.7.txt", "python3.11.txt"):
        shutil.copy(ROOT / ".tox" / name, checkout / ".tox")
    killed = 0
    for environment, moments in CREATION.items():
        for moment in moments:
            process = start(checkout, ".tox/audit.stamp")
            for line in process.stdout:
                if line.split() == ["creating", environment]:
                    timer = threading.Timer(moment, os.killpg, (process.pid, signal.SIGKILL))
                    timer.start()
            timer.cancel()
            killed += process.wait() == -signal.SIGKILL
    assert killed >= 5
    for environment in CREATION:
        make(checkout, f"{environment}.stamp")
        python = checkout / environment / "bin/python"
        missing = subprocess.check_output([python, "-c", MISSING], text=True, env=clean_environment())
        assert missing == "[]\n"
