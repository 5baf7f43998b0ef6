"""The ablation and the comparison of a tiny run, made by Make from real trainings."""

import json
import os
import re
import signal
import subprocess
import urllib.request

import numpy as np
import pytest
from checkout import clean_environment, make, make_fails, start
from waiting import until

TINY = "PROFILE=tiny"


@pytest.fixture(scope="module")
def compared(tiny):
    """A checkout in which `make compare` has run, for the seeds 0 and 1, and where there is no home to write to."""
    process = start(tiny, "compare", TINY, env=clean_environment(HOME="/proc/nope"), stderr=subprocess.STDOUT)
    printed, _ = process.communicate()
    assert process.returncode == 0 and "/proc/nope" not in printed, printed
    return tiny


def test_tensorboard_serves_the_curves_of_both_phases(tiny):
    make(tiny, "result2", TINY)
    process = start(tiny, "tensorboard", TINY)
    try:
        address = next(found[0] for line in process.stderr if (found := re.search(r"http://localhost:\d+/", line)))

        def read_tags():  # TensorBoard serves at once, and reads the folders meanwhile
            with urllib.request.urlopen(f"{address}data/plugin/scalars/tags") as response:
                tags = json.load(response)
            return tags if {"result1", "result2", "result1/eval"} <= set(tags) else None

        tags = until(read_tags, process)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert {"loss_1", "train_accuracy"} <= set(tags["result1"]) & set(tags["result2"])
    assert "eval_accuracy" in tags["result1/eval"]


def read(path):
    return np.loadtxt(path)


@pytest.mark.more
def test_the_ablation_is_of_the_weights_it_says(compared):
    build = compared / "build/tiny"
    for folder in (build, build / "seeds/1"):
        results = dict(line.split(" = ") for line in (folder / "result2/eval_results.txt").read_text().splitlines())
        label, _, positive = read(folder / "ablation/second-phase/probabilities-1.tsv").T
        assert float(results["eval_accuracy"]) == pytest.approx(((positive > 0.5) == label).mean(), abs=1e-6)
        results = dict(line.split(" = ") for line in (folder / "result1/eval_results.txt").read_text().splitlines())
        rows = read(folder / "ablation/no-dropout/probabilities-1.tsv")
        loss = -np.log(rows[range(48), 1 + rows[:, 0].astype(int)]).mean()
        assert float(results["eval_loss"]) == pytest.approx(loss, abs=1e-5)
        repeats = [read(folder / f"ablation/with-dropout/probabilities-{i}.tsv") for i in (1, 2, 3)]
        assert np.abs(repeats[0] - repeats[1]).max() > 0.01 and np.abs(repeats[1] - repeats[2]).max() > 0.01
    first, second = (folder / "ablation/second-phase/probabilities-1.tsv" for folder in (build, build / "seeds/1"))
    assert first.read_text() != second.read_text()


@pytest.mark.more
def test_the_page_holds_this_runs_numbers_and_is_made_once(compared):
    build = compared / "build/tiny"
    page = (build / "compare/compare.md").read_text()
    results = dict(line.split(" = ") for line in (build / "result1/eval_results.txt").read_text().splitlines())
    (row,) = [line for line in page.splitlines() if line.startswith("| loss ")]
    assert f"| {float(results['loss']):.4f} |" in row and "| 0.5187 |" in row
    assert "![" in page and "data:image/svg+xml" in (build / "compare/compare.html").read_text()
    results = dict(line.split(" = ") for line in (build / "result2/eval_results.txt").read_text().splitlines())
    (row,) = [line for line in page.splitlines() if line.startswith("| all | 48 |")]
    accuracy = f" {float(results['eval_accuracy']):.4f} |"
    assert row.startswith("| all | 48 |" + 3 * accuracy), "TensorFlow's, the guide's way's and cut's"
    (row,) = [line for line in page.splitlines() if line.startswith("| rows a review |")]
    assert row.startswith("| rows a review |  | 1 | 1 | 1 | 1 | 1.") and "| up to 30 |" in page
    table = json.loads((build / "ablation/results.json").read_text())
    assert {(row["seed"], row["variant"]) for row in table["rows"]} == {
        (seed, variant) for seed in ("0", "1") for variant in ("no-dropout", "second-phase", "with-dropout")
    }
    assert "all as recorded" in make(compared, "verify", TINY)
    before = {path: os.stat(path).st_mtime_ns for path in build.rglob("*") if path.is_file()}
    make(compared, "compare", TINY)
    assert {path: os.stat(path).st_mtime_ns for path in build.rglob("*") if path.is_file()} == before
    told = make(compared, "status", TINY)
    assert "ablation: as recorded\n" in told and "compare: as recorded\n" in told
    told = make(compared, "status", TINY, "LEARNING_RATE2=3e-3")
    assert "ablation: build/tiny/ablation/no-dropout is to be made first" in told, "its variants are of result2"
    assert "compare: build/tiny/ablation/results.json is to be made first" in told
    assert "run_classifier.py" not in make(compared, "ablation", TINY, "SEEDS=0")
    assert {row["seed"] for row in json.loads((build / "ablation/results.json").read_text())["rows"]} == {"0"}
    assert "results.json: has changed since compare read it" in make_fails(compared, "verify", TINY)
    make(compared, "compare", TINY)
    assert "all as recorded" in make(compared, "verify", TINY)
    assert "leave out CHECKPOINT= and PB=" in make_fails(compared, "compare", TINY, "PB=README.md")
