"""Another make at the same time, another place, a full or read-only disk: each ends right or with one clear line."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from conftest import answers, clean_environment, copy_checkout, make, make_fails, start

TINY = "PROFILE=tiny"
WAITS = "another make is at work in this checkout: waiting until it has ended"


def test_two_at_once_do_the_work_once(tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    both = [start(checkout, "predict", TINY) for _ in range(2)]
    (first, error), (second, other_error) = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], error + other_error
    assert (error + other_error).count(WAITS) == 1
    assert (first + second).count("python run_classifier.py ") == 1
    assert first.splitlines()[-5:] == second.splitlines()[-5:]
    assert make(checkout, "predict", TINY).splitlines() == first.splitlines()[-5:], "the lock is free again"


def test_a_path_with_spaces_and_other_letters(tmp_path):
    checkout = copy_checkout(tmp_path / "a path, with spaces ünd ß 映画")
    assert "0 labels differ" in make(checkout, "-j8", "predict", "classifier", TINY)
    assert "all as recorded" in make(checkout, "verify", TINY)


def copy_build(whole, folder):
    """Returns a checkout with a copy of the undisturbed build."""
    checkout = copy_checkout(folder)
    shutil.copytree(whole, checkout / "build/tiny")
    return checkout


def test_a_build_taken_to_another_path_goes_on_there(whole, tmp_path):
    checkout = copy_build(whole, tmp_path / "moved")
    assert make(checkout, "predict", TINY) == (whole / "predict/openvino.txt").read_text()
    assert "all as recorded" in make(checkout, "verify", TINY)
    (checkout / "patches/disable-dropout.patch").touch()
    output = make(checkout, "predict", TINY)
    assert "python run_classifier.py " not in output and "result1/model.ckpt-16" in output
    assert str(whole.parent) not in output


def test_a_clock_set_back_is_said_before_anything_is_made(whole, tmp_path):
    checkout = copy_build(whole, tmp_path / "checkout")
    for path in (checkout / "build/tiny").rglob("*"):
        os.utime(path, (path.stat().st_mtime + 7200,) * 2)
    output = make_fails(checkout, "predict", TINY)
    assert " was made in the future: was the clock set back? Set it right, or: find build " in output
    (advice,) = re.findall(r"or: (find build .*? && make verify)", output)
    subprocess.run(f"{advice} {TINY}", shell=True, check=True, cwd=checkout, env=clean_environment())
    assert make(checkout, "predict", TINY) == (whole / "predict/openvino.txt").read_text()


def test_stray_files_of_an_older_run_are_named_and_change_nothing(whole, tmp_path):
    checkout = copy_build(whole, tmp_path / "checkout")
    result1 = checkout / "build/tiny/result1"
    stray = result1 / "model.ckpt-999.index"
    shutil.copy(result1 / "model.ckpt-16.index", stray)
    assert make(checkout, "predict", TINY) == (whole / "predict/openvino.txt").read_text()
    assert "result1/model.ckpt-999.index: in no record" in make_fails(checkout, "verify", TINY)
    # Its checkpoint file names another step, and nothing says with what parameters it was trained.
    (result1 / "started").unlink()
    (result1 / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-999"\n')
    output = make(checkout, "predict", TINY)
    assert "resuming" not in output and not stray.exists()
    np.testing.assert_array_equal(answers(checkout / "build/tiny"), answers(whole))


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts a tmpfs of some size over a folder."""
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    folders = []

    def mount(folder, options):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        folders.append(folder)

    yield mount
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_build_folder_is_one_clear_line(mounted, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    mounted(checkout / "build/tiny", "ro")
    lines = [line for line in make_fails(checkout, "predict", TINY).splitlines() if "Read-only file system" in line]
    assert len(lines) == 1 and "build/tiny" in lines[0]


# Too small for the weights, for a checkpoint of training, for the second phase, for what follows.
@pytest.mark.parametrize("kilobytes", [1000, 4500, 30000, 68000])
def test_a_full_disk_is_said_and_costs_nothing_that_was_whole(kilobytes, mounted, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    build = checkout / "build/tiny"
    mounted(build, f"size={kilobytes}k")
    output = make_fails(checkout, "predict", "classifier", TINY)
    assert "No space left on device" in output, output
    subprocess.run(["mount", "-o", "remount,size=1g", build], check=True)
    assert "0 labels differ" in make(checkout, "predict", "classifier", TINY)
    assert "all as recorded" in make(checkout, "verify", TINY)
