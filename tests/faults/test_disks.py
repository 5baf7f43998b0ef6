"""A disk that is full in any stage, or read-only: one clear line, what was whole stays so, and with room it goes on."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from checkout import FP32, ROOT, answers, copy_checkout, make, make_fails

pytestmark = pytest.mark.faults
TINY = "PROFILE=tiny"
FULL = "No space left on device"
ROOM = "is there room for it"  # of an IR, where OpenVINO does not say why it could not be written
# What to make of each stage, in their order, and the record that says how much that is.
STAGES = {
    "pretrained": "pretrained",
    "reviews": "reviews",
    "features": "features",
    "result1": "result1",
    "result2": "result2",
    "build/tiny/predict/tensorflow/test_results.tsv": "predict/tensorflow",
    "pb": "pb",
    "ir": "ir",
    "fc": "fc",
    "predict": "predict/openvino",
    "classifier": "classifier",
    "int8": "int8",
    "huggingface": "huggingface",
    "onnx": "onnx",
}


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts a tmpfs over a folder, or gives the one that is there other options."""
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    folders = []

    def mount(folder, options):
        if folder in folders:
            subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
            folders.append(folder)

    yield mount
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


def used(folder):
    """Returns the bytes in use on a folder's disk."""
    disk = os.statvfs(folder)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def files(folder):
    """Returns {path: (size, time)} of all that lies in a folder."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def says_full(output):
    """Tells whether that the disk is full is said in one line."""
    return len([line for line in output.splitlines() if FULL in line or ROOM in line]) == 1


def test_a_read_only_build_folder_is_one_clear_line(mounted, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    mounted(checkout / "build/tiny", "ro")
    lines = [line for line in make_fails(checkout, "predict", TINY).splitlines() if "Read-only file system" in line]
    assert len(lines) == 1 and "build/tiny" in lines[0]


def test_a_disk_that_is_full_in_any_stage_is_said_and_costs_nothing_that_was_whole(mounted, built, tmp_path):
    """Full when half of what the stage makes is written."""
    checkout = copy_checkout(tmp_path / "checkout")
    build = checkout / "build/tiny"
    mounted(build, "size=1g")
    for goal, name in STAGES.items():
        outputs = json.loads((built / f"{name}.record.json").read_text())["outputs"]
        room = sum(os.path.getsize(built.parents[1] / path) for path in outputs) // 2
        before = files(build)
        mounted(build, f"size={used(build) + room}")
        output = make_fails(checkout, goal, TINY)
        assert says_full(output), output
        after = files(build)
        assert before.items() <= after.items(), f"{goal}: {output}"
        mounted(build, "size=1g")
        make(checkout, goal, TINY)
    np.testing.assert_allclose(answers(build), answers(built), atol=FP32, rtol=0)
    assert "all as recorded" in make(checkout, "verify", TINY)


def test_a_disk_that_is_full_while_a_file_is_scored(mounted, built, tmp_path):
    """Full while rows are scored, and while what was scored is joined."""
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    (tmp_path / "in.txt").write_text("".join(f"a film of {i} acts\n" for i in range(20_000)))
    scored, folder = tmp_path / "scored.csv", tmp_path / "disk"
    goal = ["score", TINY, f"INPUT={tmp_path}/in.txt"]
    make(checkout, *goal, f"OUTPUT={scored}")
    for share in (0.5, 1.5):
        mounted(folder, f"size={int(share * scored.stat().st_size)}")
        output = make_fails(checkout, *goal, f"OUTPUT={folder}/out.csv")
        assert says_full(output), output
        assert os.listdir(folder) == ["out.csv.parts"]
    mounted(folder, "size=1g")
    make(checkout, *goal, f"OUTPUT={folder}/out.csv")
    assert os.listdir(folder) == ["out.csv"] and (folder / "out.csv").read_bytes() == scored.read_bytes()


def test_a_disk_that_is_full_in_a_download(mounted, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", downloads=False)
    goal = ["reviews", TINY, f"MIRROR={ROOT}/build/downloads"]
    mounted(checkout / "build/downloads", "size=1m")
    output = make_fails(checkout, *goal)
    assert says_full(output), output
    assert not list((checkout / "build/downloads").glob("*.whl"))
    mounted(checkout / "build/downloads", "size=1g")
    make(checkout, *goal)
    assert "all as recorded" in make(checkout, "verify", TINY)


def test_a_disk_that_is_full_while_an_environment_is_made(mounted, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / ".tox").unlink()
    mounted(checkout / ".tox", "size=40m")
    for name in ("python3.7.txt", "python3.11.txt"):
        shutil.copy(ROOT / ".tox" / name, checkout / ".tox")
    for size, stamp in (("40m", ".tox/tools.stamp"), ("100m", ".tox/audit.stamp")):
        mounted(checkout / ".tox", f"size={size}")
        output = make_fails(checkout, stamp)
        assert FULL in output, output
        assert not (checkout / stamp).exists()
        mounted(checkout / ".tox", "size=1g")
        make(checkout, stamp)
