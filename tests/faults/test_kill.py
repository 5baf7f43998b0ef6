"""SIGKILL at several moments of every stage, and Ctrl-C, then make again: it ends as if nothing had happened."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from checkout import BUILT, FP32, ROOT, answers, clean_environment, copy_checkout, make, start
from waiting import LONG, until

pytestmark = pytest.mark.faults
MOMENTS = (0.05, 0.3, 0.6, 0.9)  # of the time that the stage takes undisturbed
INTERRUPTS = (0, signal.SIGINT), (0.45, signal.SIGINT)  # before its Python has started, and later
# What each stage prints when it starts, in their order, and the record that says how long it takes undisturbed.
TRAINING = {
    "-m tf1.pretrained ": "pretrained",
    "-m inputs.reviews ": "reviews",
    "-m tf1.features ": "features",
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
    "-m export.huggingface ": "huggingface",
    "-m export.onnx ": "onnx",
}
STAGES = [*TRAINING, *AFTER]


def end_in(checkout, stage, seconds, number, goals=BUILT, stages=STAGES):
    """Starts make and sends it and its children a signal so many seconds after the stage's command was printed.

    Returns: what it printed, or None if the stage had ended before, in which case make was killed as the next began.
    """
    process = start(checkout, *goals, stderr=subprocess.STDOUT)
    timers = [
        threading.Timer(seconds, os.killpg, (process.pid, number)),
        threading.Timer(seconds + LONG, os.killpg, (process.pid, signal.SIGALRM)),  # it hangs
    ]
    printed = ""
    for line in process.stdout:
        printed += line
        if stage in line:
            for timer in timers:
                timer.start()
        elif any(later in line for later in stages[stages.index(stage) + 1 :]):
            os.killpg(process.pid, signal.SIGKILL)
            number = None
    for timer in timers:
        timer.cancel()
    ended_by = -process.wait()
    assert ended_by != signal.SIGALRM, f"{stage}: hangs after signal {number}"
    none_left(process)
    return printed if ended_by == number else None


def none_left(process):
    """Waits until nothing is left of a make's process group."""
    until(lambda: subprocess.run(["pgrep", "--pgroup", str(process.pid)], stdout=subprocess.DEVNULL).returncode)


def end_through(checkout, seconds_of, goals=BUILT, moments=MOMENTS, stages=STAGES):
    """Interrupts make in each stage and kills it at the moments; returns what it printed, by stage.

    Args:
      checkout: Path.
      seconds_of: {stage: (what it makes in the build, seconds that it takes undisturbed)}.
      goals, stages: what to make, and all the stages of that in their order.
      moments: of the time that a stage takes, at which to kill it.
    """
    printed = {stage: [] for stage in seconds_of}
    for stage, (name, seconds) in seconds_of.items():
        for moment, number in [*INTERRUPTS, *((moment, signal.SIGKILL) for moment in moments)]:
            while (text := end_in(checkout, stage, moment * seconds, number, goals, stages)) is None:
                seconds *= 0.8  # it is quicker this time, or goes on from a checkpoint: once more, from nothing
                assert seconds > 0.01, f"{stage}: never killed in it: do others come before it?"
                made = checkout / "build/tiny" / name
                shutil.rmtree(made, ignore_errors=True)
                made.with_name(f"{made.name}.record.json").unlink(missing_ok=True)
            assert "another make is at work" not in text, "a lock outlived its owner"
            if number == signal.SIGINT:
                assert text.count("interrupted: run it again to go on\n") == 1 and "Traceback" not in text, text
            printed[stage].append(text)
    return printed


@pytest.mark.parametrize(
    "goal, word, smaller",
    [
        ("result1", "run_classifier.py", "TRAIN_BATCH_SIZE= or MAX_SEQ_LENGTH="),
        ("ir", "openvino.tools.mo", "PROFILE="),
        ("int8", "infer.quantize", "PROFILE="),
    ],
)
def test_a_stage_whose_command_alone_is_killed_says_so_in_one_line(goal, word, smaller, built, tmp_path):
    """As the kernel does when memory runs out: Make and what runs the stage live on."""
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    (checkout / f"build/tiny/{goal}.record.json").unlink()
    process = start(checkout, goal, "PROFILE=tiny", stderr=subprocess.STDOUT)
    found = until(
        lambda: [pid for pid, words in processes(process) if word in words and "mk/stage.py" not in words], process
    )
    os.kill(found[0], signal.SIGKILL)
    printed, _ = process.communicate()
    assert process.returncode > 0 and "Traceback" not in printed
    assert printed.count(f"{goal}: was killed, as happens when memory runs out: try a smaller {smaller}\n") == 1, (
        printed
    )


def processes(process):
    """Returns [(process id, words of its command)] of a make's process group."""
    done = subprocess.run(["pgrep", "--pgroup", str(process.pid)], stdout=subprocess.PIPE, text=True)
    found = []
    for pid in done.stdout.split():
        with contextlib.suppress(OSError):
            found.append((int(pid), Path("/proc", pid, "cmdline").read_text(errors="replace").split("\0")))
    return found


def undisturbed(built, stages):
    """Returns end_through's seconds_of, by the records of the undisturbed run."""
    records = {name: json.loads((built / f"{name}.record.json").read_text()) for name in stages.values()}
    return {stage: (name, records[name]["seconds"]) for stage, name in stages.items()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("killed") / "checkout")


def has_checkpoint(checkout):
    """Whether a phase has saved a step, and its graph."""
    return (checkout / "build/tiny/result1/model.ckpt-16.meta").exists()


def test_training_killed_anywhere_resumes_and_ends_with_the_same_probabilities(built, checkout):
    build = checkout / "build/tiny"
    end_through(checkout, undisturbed(built, TRAINING))
    make(checkout, *BUILT)
    np.testing.assert_allclose(answers(build), answers(built), atol=FP32, rtol=0)
    # On a busy machine no kill above may have come after a saved step.
    shutil.rmtree(build / "result1")
    (build / "result1.record.json").unlink()
    assert end_when(checkout, has_checkpoint, signal.SIGKILL, "result1", "PROFILE=tiny") == -signal.SIGKILL
    assert "resuming build/tiny/result1 at step" in make(checkout, *BUILT)
    np.testing.assert_allclose(answers(build), answers(built), atol=FP32, rtol=0)
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")


def test_what_follows_killed_anywhere_ends_with_the_same_probabilities(built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    build = checkout / "build/tiny"
    gone = "predict", "int8", "huggingface", "bert-finetune.pb", "bert-finetune.xml", "weight.npy", "classifier.xml"
    for name in (*gone, "classifier.onnx"):
        path = build / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    end_through(checkout, undisturbed(built, AFTER))
    make(checkout, *BUILT)
    np.testing.assert_allclose(answers(build), answers(built), atol=FP32, rtol=0)
    same = "weight.npy", "bert-finetune.pb", "classifier.bin", "classifier.onnx", "huggingface/model.safetensors"
    for name in same:
        assert (build / name).read_bytes() == (built / name).read_bytes()
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")


def records(process):
    """Whether a stage's mk/stage.py runs, in whatever state its Python is."""
    command = ["pgrep", "--pgroup", str(process.pid), "-f", "mk/stage.py run"]
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("seconds", [0, 0.01, 0.02, 0.04, 0.08])
def test_an_interrupt_while_the_recorder_itself_starts(seconds, built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    (checkout / "build/tiny/weight.npy").unlink()
    process = start(checkout, "fc", "PROFILE=tiny", stderr=subprocess.STDOUT)
    while not records(process):
        assert process.poll() is None
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=LONG)
    none_left(process)
    assert text.count("interrupted: run it again to go on\n") == 1 and "Traceback" not in text, text
    assert "all as recorded" in make(checkout, "fc", "verify", "PROFILE=tiny")


def saves(checkout):
    """Whether a phase is writing a checkpoint: its numbers, or its graph."""
    return any(checkout.glob("build/tiny/result1/model.ckpt-*_temp_*/*"))


def is_listed(checkout):
    """Whether a phase has named a checkpoint whose graph it has not written."""
    state = checkout / "build/tiny/result1/checkpoint"
    listed = re.findall(r'^model_checkpoint_path: "(.*)"', state.read_text(), re.M) if state.exists() else []
    return any(not (state.parent / f"{name}.meta").exists() for name in listed)


def evaluates(checkout):
    """Whether a phase is evaluating: its last checkpoint is whole."""
    folder = checkout / "build/tiny/result1"
    return (folder / "model.ckpt-64.meta").exists() and not (folder / "eval_results.txt").exists()


@pytest.mark.parametrize("reached", [saves, is_listed, evaluates])
def test_a_phase_killed_while_it_saves_and_while_it_evaluates(reached, built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    build = checkout / "build/tiny"
    for name in ("pretrained", "reviews", "features"):
        shutil.copytree(built / name, build / name)
        shutil.copy2(built / f"{name}.record.json", build)
    assert end_when(checkout, reached, signal.SIGKILL, "result1", "PROFILE=tiny") == -signal.SIGKILL
    assert not (build / "eval_results.txt").exists() and not (build / "result1.record.json").exists()
    output = make(checkout, "result1", "PROFILE=tiny")
    results, expected = ((folder / "result1/eval_results.txt").read_text() for folder in (build, built))
    assert "global_step = 64\n" in results
    if reached is evaluates:
        assert "resuming build/tiny/result1 at step 64 of 64" in output and results == expected
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")


def end_when(checkout, reached, number, *goals):
    """Starts make and sends it and its children a signal once reached(checkout); returns how make ended."""
    process = start(checkout, *goals, stderr=subprocess.STDOUT)
    while process.poll() is None and not reached(checkout):
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    text, _ = process.communicate(timeout=LONG)
    none_left(process)
    assert number == signal.SIGKILL or "interrupted: run it again to go on\n" in text and "Traceback" not in text, text
    return process.returncode


def starts(checkout, before):
    """Whether `make score` has started its Python."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"infer\0score" in (process / "cmdline").read_bytes() and (process / "cwd").readlink() == checkout:
                return True
    return False


def checks(checkout, before):
    """Whether `make score` has read a fifth of its input, and scored none of it."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == f"{checkout}/in.jsonl" and not (checkout / "out.csv.parts").exists():
                info = (link.parents[1] / "fdinfo" / link.name).read_text()
                return int(info.split()[1]) > (checkout / "in.jsonl").stat().st_size / 5
    return False


def scores(checkout, before):
    """Whether it has scored three windows that it had not before."""
    return len(list(checkout.glob("out.csv.parts/*.csv"))) > before + 2


def joins(checkout, before):
    return (checkout / "out.csv.parts/whole.part").exists()


def test_a_file_killed_while_it_is_scored_has_the_same_bytes_in_the_end(built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    with open(checkout / "in.jsonl", "w") as file:
        file.writelines(f'{{"review": "a film of {i} acts", "id": {i}}}\n' for i in range(60_000))
    goal = ["score", "PROFILE=tiny", "INPUT=in.jsonl"]
    make(checkout, *goal, "OUTPUT=whole.csv")
    for moment in (starts, checks, scores, joins):
        for number in (signal.SIGINT, signal.SIGKILL):
            before = len(list(checkout.glob("out.csv.parts/*.csv")))
            reached = functools.partial(moment, before=before)
            for _ in range(5):
                if end_when(checkout, reached, number, *goal, "OUTPUT=out.csv") != 0:
                    break
                (checkout / "out.csv").unlink()  # joined before it could be killed: once more
            else:
                pytest.fail(f"{moment.__name__}: never killed there")
            assert not (checkout / "out.csv").exists()
    output = make(checkout, *goal, "OUTPUT=out.csv", stderr=subprocess.STDOUT)
    assert "going on after 60000 of 60000 rows" in output
    assert (checkout / "out.csv").read_bytes() == (checkout / "whole.csv").read_bytes()
    assert not (checkout / "out.csv.parts").exists()


# What is made of a run, beyond its predictions; what of the bench needs no environment of its own.
LATER = {
    "-m tf1.hub export ": "hub-module",
    "-m infer.evaluate ": "ablation/second-phase/probabilities",
    "-m report.ablation ": "ablation/ablation",
    "-m infer.by_length ": "by-length",
    "-m report.compare ": "compare",
    "-m bench.guide ": "bench/guide/graph",
}


def test_the_module_the_ablation_the_page_and_the_benchs_graph_killed_end_as_if_nothing_had_happened(built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    goals = ["hub-module", "compare", "build/tiny/bench/guide/graph.meta"]
    given = ["PROFILE=tiny", "SEEDS=0", "CONVERTER=frontend"]
    make(checkout, "-j4", "variants", *given)
    (checkout / "build/tiny/ablation/second-phase/probabilities.record.json").unlink()
    seconds_of = {stage: (name, 2) for stage, name in LATER.items()}
    printed = end_through(checkout, seconds_of, goals + given, (0.3, 0.7), [*LATER])
    assert sum(map(len, printed.values())) == 4 * len(LATER)
    make(checkout, *goals, *given)
    assert "all as recorded" in make(checkout, "verify", "PROFILE=tiny")
    assert len(json.loads((checkout / "build/tiny/ablation/results.json").read_text())["rows"]) == 3


# Prints what an environment lacks of the files that its packages list.
MISSING = """
from importlib.metadata import distributions
print([file for package in distributions() for file in package.files if not file.locate().exists()])
"""
CREATION = {".tox/tools": (0.5, 1.5, 3, 5), ".tox/audit": (0.3, 0.6, 1, 2)}  # seconds after it began


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
