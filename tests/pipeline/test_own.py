"""Texts and labels of one's own, from a .csv to its rows scored, as a user runs it."""

import csv
import re

import numpy as np
import pytest
from checkout import FP32, make, make_fails

TINY = "PROFILE=tiny"
WORDS = {"Sci-Fi & Fantasy": "ship alien star", 'it\'s "good"': "joy love fine", "plain, bad": "dull poor awful"}
LABELS = [*WORDS]


def write_table(path, count, seed):
    random = np.random.default_rng(seed)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "sentiment"])
        for i in range(count):
            label = LABELS[i % 3]
            writer.writerow([i, " ".join(random.choice(f"{WORDS[label]} the film a".split(), 6)), label])
    return path


@pytest.fixture(scope="module")
def own(tiny, tmp_path_factory):
    """(checkout, the variables of a run on a .csv with three labels, what make printed)."""
    folder = tmp_path_factory.mktemp("own texts")
    train, test = write_table(folder / "train 1.csv", 96, 0), write_table(folder / "test.csv", 36, 1)
    given = [TINY, f"TRAIN={train}", f"TEST={test}"]
    return tiny, given, make(tiny, "predict", "classifier", *given)


def results(checkout, phase):
    (path,) = checkout.glob(f"build/tiny-*train*1.csv/{phase}/eval_results.txt")
    return dict(line.split(" = ") for line in path.read_text().splitlines()), path.parents[1]


def test_every_stage_knows_the_labels(own):
    checkout, _, printed = own
    found, build = results(checkout, "result2")
    assert found["global_step"] == str(96 // 8 * 4), "not as many steps as its texts make"
    assert float(found["eval_accuracy"]) > 0.5, "a third is chance"
    assert "auc" not in found and float(found["macro_f1"]) > 0.5
    names = "".join(f"{label}\n" for label in sorted(LABELS))
    for folder in ("reviews", "result1", "result2", "."):
        assert (build / folder / "labels.txt").read_text() == names
    assert np.load(build / "weight.npy").shape == (3, 32)
    assert "0 labels differ" in printed
    lines = (build / "predict/openvino.txt").read_text().splitlines()
    assert len(lines) == 5 and all(line.count("array([") == 1 and line.endswith(")") for line in lines[:4])
    report = (build / "result2/eval_by_label.txt").read_text()
    assert f"accuracy: {float(found['eval_accuracy']):.4f}\n" in report and all(label in report for label in LABELS)
    assert make(checkout, "predict", *own[1]).count("\n") == 5, "something was made again"


def test_evaluate_finds_what_tensorflow_found(own, tmp_path):
    checkout, given, _ = own
    found, build = results(checkout, "result2")
    test = given[2].partition("=")[2]
    printed = make(checkout, "evaluate", *given, f"INPUT={test}")
    assert (build / "result2/eval_by_label.txt").read_text() in printed
    (loss,) = re.findall(r"loss: ([\d.]+)", printed)
    assert float(loss) == pytest.approx(float(found["eval_loss"]), abs=1e-4)
    make(checkout, "score", *given, f"INPUT={test}", f"OUTPUT={tmp_path}/scored.csv")
    rows = list(csv.DictReader(open(tmp_path / "scored.csv", newline="")))
    assert np.mean([row["label"] == row["sentiment"] for row in rows]) == pytest.approx(float(found["eval_accuracy"]))
    added = [name for name in rows[0] if name.startswith("p_")]
    scores = np.array([[float(row[name]) for name in added] for row in rows])
    assert scores.shape == (36, 3) and np.abs(scores.sum(1) - 1).max() < 10 * FP32


def test_more_texts_are_more_steps(own, tmp_path):
    checkout, given, _ = own
    train = given[1].partition("=")[2]
    kept = open(train).read()
    try:
        write_table(train, 48, 2)
        told = make(checkout, "reviews", *given)
        assert "train: 48 texts" in told
        assert f"model.ckpt-{48 // 8 * 8}" in make(checkout, "-n", "result2", *given)
        with open(train, "a") as file:
            file.write("1,no label,\n" * 9)
        assert "9 of 57 rows are bad, more than a tenth" in make_fails(checkout, "reviews", *given)
    finally:
        open(train, "w").write(kept)
