"""Another make at the same time, another place, another clock: each ends right or with one clear line."""

import os
import shutil
import signal

import pytest
from checkout import copy_checkout, make, make_fails, start

pytestmark = pytest.mark.faults
TINY = "PROFILE=tiny"
WAITS = "another make is at work in this checkout: waiting until it has ended"


def copy_build(built, folder, *without):
    """Returns a checkout with a copy of the undisturbed build, but for some files."""
    checkout = copy_checkout(folder, build=built)
    for name in without:
        (checkout / "build/tiny" / name).unlink()
    return checkout


def test_two_at_once_do_the_work_once(built, tmp_path):
    checkout = copy_build(built, tmp_path / "checkout", "bert-finetune.pb")
    both = [start(checkout, "-j8", "predict", TINY) for _ in range(2)]
    (first, error), (second, other_error) = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], error + other_error
    assert (error + other_error).count(WAITS) == 1
    assert (first + second).count("python ckpt_to_pb.py ") == 1
    assert first.splitlines()[-5:] == second.splitlines()[-5:]
    assert make(checkout, "predict", TINY).splitlines() == first.splitlines()[-5:], "the lock is free again"


def test_a_lock_is_held_as_long_as_anything_works_under_it_and_no_longer(built, tmp_path):
    """Killed alone, a make leaves its stage at work: the next waits for that. With its stage, it leaves nothing."""
    checkout = copy_build(built, tmp_path / "checkout", "bert-finetune.pb")
    for kill, waits in ((os.killpg, 0), (os.kill, 1)):
        process = start(checkout, "predict", TINY)
        next(line for line in process.stdout if "python ckpt_to_pb.py " in line)
        kill(process.pid, signal.SIGKILL)
        following = start(checkout, "pb", TINY)
        rest, _ = process.communicate()
        output, error = following.communicate()
        assert following.returncode == 0 and error.count(WAITS) == waits, error
        assert ("python ckpt_to_pb.py " in output) == (waits == 0), "made once, by whichever was alive"
        (checkout / "build/tiny/bert-finetune.pb").unlink()


def test_a_path_with_spaces_and_other_letters(tmp_path):
    checkout = copy_checkout(tmp_path / "a path, with spaces ünd ß 映画")
    assert "0 labels differ" in make(checkout, "-j8", "predict", "classifier", TINY)
    assert "all as recorded" in make(checkout, "verify", TINY)


def test_a_build_taken_to_another_path_goes_on_there(built, tmp_path):
    checkout = copy_build(built, tmp_path / "moved")
    assert make(checkout, "predict", TINY) == (built / "predict/openvino.txt").read_text()
    assert "all as recorded" in make(checkout, "verify", TINY)
    patch = checkout / "patches/disable-dropout.patch"
    patch.write_text(patch.read_text().replace("is_training = False", "is_training = False  # no dropout"))
    output = make(checkout, "result2", TINY)
    assert "python run_classifier.py " not in output and "result1/model.ckpt-64" in output
    assert str(built.parent) not in output


def test_a_clock_set_back_changes_nothing(built, tmp_path):
    checkout = copy_build(built, tmp_path / "checkout")
    for path in (checkout / "build/tiny").rglob("*"):
        os.utime(path, (path.stat().st_mtime + 7200,) * 2)
    assert make(checkout, "predict", TINY) == (built / "predict/openvino.txt").read_text()
    (checkout / "build/tiny/weight.npy").unlink()
    assert "python export_fc.py" in make(checkout, "predict", TINY)


def test_stray_files_of_an_older_run_are_named_and_change_nothing(built, tmp_path):
    checkout = copy_build(built, tmp_path / "checkout")
    result1 = checkout / "build/tiny/result1"
    stray = result1 / "model.ckpt-999.index"
    shutil.copy(result1 / "model.ckpt-64.index", stray)
    assert make(checkout, "predict", TINY) == (built / "predict/openvino.txt").read_text()
    assert "result1/model.ckpt-999.index: in no record" in make_fails(checkout, "verify", TINY)
    # Its checkpoint file names another step, as its record does not have it: all of it is moved aside.
    (result1 / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-999"\n')
    output = make(checkout, "result1", TINY)
    assert "resuming" not in output and not stray.exists()
    assert (result1 / "eval_results.txt").read_text() == (built / "result1/eval_results.txt").read_text()
