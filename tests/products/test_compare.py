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
    assert row.startswith(f"| loss | {float(results['loss']):.4f}<br>") and "| 0.5187 |" in row
    assert "![" in page and "data:image/svg+xml" in (build / "compare/compare.html").read_text()
    results = dict(line.split(" = ") for line in (build / "result2/eval_results.txt").read_text().splitlines())
    (row,) = [line for line in page.splitlines() if line.startswith("| all | 48 |")]
    accuracy = f" {float(results['eval_accuracy']):.4f}"
    told = re.sub(r"<br>[^|]*(?= \|)", "", row)
    assert told.startswith(f"| all | 48 |{accuracy} |{accuracy} |{accuracy} |"), (
        "TensorFlow's, the guide's way's, cut's"
    )
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


@pytest.mark.more
def test_builds_of_seeds_and_checkpoints_stand_side_by_side(compared):
    checkpoint = sorted((compared / "build/tiny/result1").glob("model.ckpt-*.index"))[-1].with_suffix("")
    given = f"CHECKPOINT={checkpoint.relative_to(compared)}"
    make(compared, "by-length", TINY, given)
    (other,) = [path.relative_to(compared) for path in (compared / "build").glob("tiny-*") if path.is_dir()]
    builds = f"BUILDS=build/tiny build/tiny/seeds/1 {other}"
    assert "build/compare/compare.html" in make(compared, "compare", builds)
    page = (compared / "build/compare/compare.md").read_text()
    assert (
        f"| metric | tiny | tiny/seeds/1 | {other.name} |" in page
        and "| model | result2 | result2 | classifier |" in page
    )
    assert f"those that have are: tiny, {other.name}; tiny/seeds/1." in page, "the same sample, and another"
    results = dict(
        line.split(" = ") for line in (compared / "build/tiny/result1/eval_results.txt").read_text().splitlines()
    )
    (row,) = [line for line in page.splitlines() if line.startswith("| accuracy |")]
    assert row.split(" | ")[-1].startswith(f"{float(results['eval_accuracy']):.4f}<br>")
    before = os.stat(compared / "build/compare/compare.md").st_mtime_ns
    make(compared, "compare", builds)
    assert os.stat(compared / "build/compare/compare.md").st_mtime_ns == before, "as recorded"
    for wrong, told in (
        ("BUILDS=build/tiny", "only build/tiny: give two builds or more"),
        ("BUILDS=build/tiny ./build/tiny/", "is given twice: give each build once"),
        ("BUILDS=build/tiny build/downloads", "build/downloads is no build, it has no reviews/test.jsonl: give"),
        ("BUILDS=build/tiny build/nowhere", "build/nowhere: no such folder: give folders that make"),
    ):
        assert told in make_fails(compared, "compare", wrong)
    assert "BUILDS=: is of make compare alone" in make_fails(compared, "predict", builds)
    assert os.stat(compared / "build/compare/compare.md").st_mtime_ns == before
    (compared / f"{other}/by-length/cut.tsv").unlink()
    assert "its test reviews are not predicted yet: run `make by-length`" in make_fails(compared, "compare", builds)
