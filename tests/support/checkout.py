"""Copies of the checkout in which Make runs as a user runs it, with this one's environments and tiny build."""

import ast
import os
import re
import shutil
import signal
import subprocess

import numpy as np
import pytest
from modules import ROOT

NOT_COPIED = shutil.ignore_patterns(".git", ".tox", "build", "__pycache__", ".*_cache")
LEFT = shutil.ignore_patterns(
    "earlier", "seeds", "ablation", "compare*", "bench", "heldout", "string*", "old-stack", "*.part", "*.cache"
)
BUILT = ("predict", "classifier", "int8", "huggingface", "onnx", "PROFILE=tiny")
# In probability: what FP32 implementations of tiny's model differ by is below it, what a mistake changes far above.
FP32 = 5e-6


def copy_checkout(folder, downloads=True, build=None):
    """Copies the checkout, with a build of tiny if one is given; .tox and build/downloads are links to this one's."""
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    (folder / ".tox").symlink_to(ROOT / ".tox")
    if downloads:
        (folder / "build").mkdir()
        (folder / "build" / "downloads").symlink_to(ROOT / "build" / "downloads")
    if build:
        # Without its times: whether it is up to date, its content decides.
        shutil.copytree(build, folder / "build/tiny", copy_function=shutil.copyfile, ignore=LEFT)
    return folder


def clean_environment(**changes):
    """The environment without what an outer Make or tox put into it."""
    ours = ("MAKE", "MFLAGS", "TOX_", "VIRTUAL_ENV", "PYTHON", "TF_CPP", "UV_", "OFFLINE", "MIRROR", "LOCKED", "LOOP")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)} | changes


def start(checkout, *arguments, **options):
    """Starts make in a process group of its own, with SIGINT as at a terminal (CI's shell may ignore it)."""
    return subprocess.Popen(
        ["make", *arguments],
        cwd=checkout,
        env=options.pop("env", clean_environment()),
        stdout=subprocess.PIPE,
        stderr=options.pop("stderr", subprocess.PIPE),
        text=True,
        errors="surrogateescape",  # as names of files are
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def make(checkout, *arguments, **options):
    """Runs make, which must succeed; returns what it printed to stdout."""
    process = start(checkout, *arguments, **options)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return stdout


def make_fails(checkout, *arguments, **options):
    """Runs make, which must fail without a traceback; returns all that it printed."""
    process = start(checkout, *arguments, **options)
    stdout, stderr = process.communicate()
    assert process.returncode > 0, stdout
    assert "Traceback" not in stderr, stderr
    return stdout + stderr


def answers(build):
    """Returns the probabilities (reviews, labels) of the guide's path."""
    found = re.findall(r"array\((\[.*?\])", (build / "predict/openvino.txt").read_text())
    return np.array([ast.literal_eval(numbers) for numbers in found])


def read_results(path):
    """Returns {metric: float} of an eval_results.txt."""
    return {key: float(value) for key, value in (line.split(" = ") for line in path.read_text().splitlines())}


@pytest.fixture(scope="session", autouse=True)
def environments():
    """Make in a copy would rebuild an outdated environment for the copy's path, and the copy goes away."""
    stamps = (
        ".tox/tools.stamp",
        ".tox/tf1.stamp",
        ".tox/openvino.stamp",
        ".tox/openvino-current.stamp",
        ".tox/serve.stamp",
        ".tox/report.stamp",
        ".tox/huggingface.stamp",
        ".tox/wheel.stamp",
        ".tox/bundle.stamp",
    )
    made = subprocess.run(["make", "--question", *stamps], cwd=ROOT, env=clean_environment())
    assert made.returncode == 0, "the environments are out of date: run `make test`"


@pytest.fixture(scope="session")
def built():
    """This checkout's own build/tiny, with all that BUILT names; only to be read."""
    make(ROOT, "-j2", *BUILT)
    return ROOT / "build/tiny"


@pytest.fixture(scope="session")
def tiny(built, tmp_path_factory):
    """A checkout with that build; it is the tests' to leave as it was."""
    return copy_checkout(tmp_path_factory.mktemp("tiny") / "checkout", build=built)


@pytest.fixture
def bare(tmp_path):
    """A checkout with nothing built and nothing downloaded."""
    return copy_checkout(tmp_path / "checkout", downloads=False)
