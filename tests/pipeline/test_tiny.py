"""The pipeline on the tiny profile, from weights to predictions, and Make's rules for what to rebuild."""

import json
import os
import re
import shutil
import signal
import time

import numpy as np
import pytest
from conftest import ROOT, copy_checkout, make, make_fails, start

TINY = "PROFILE=tiny"
STAGES = {
    "pretrained": "pretrained/bert_model.ckpt.index",
    "reviews": "reviews/train.jsonl",
    "features": "features/features.json",
    "result1": "result1/eval_results.txt",
    "result2": "result2/eval_results.txt",
    "pb": "bert-finetune.pb",
    "fc": "weight.npy",
    "ir": "bert-finetune.xml",
    "tensorflow": "predict/tensorflow/test_results.tsv",
    "predict": "predict/openvino.txt",
}
LINE = re.compile(r"\('(.+)', array\(\[[\d., e-]+\], dtype=float32\), '(Negative|Positive)'\)")


def times(checkout):
    return {stage: os.stat(checkout / "build" / "tiny" / path).st_mtime_ns for stage, path in STAGES.items()}


def remade(before, after):
    return {stage for stage in STAGES if before[stage] != after[stage]}


def read_results(path):
    return {key: float(value) for key, value in (line.split(" = ") for line in path.read_text().splitlines())}


def test_predict_prints_four_lines_and_the_largest_difference(tiny):
    *lines, last = make(tiny, "predict", TINY).splitlines()
    assert [LINE.fullmatch(line)[1] for line in lines] == (ROOT / "inputs/reviews.txt").read_text().splitlines()
    difference = re.match(r"largest difference from TensorFlow: (\S+) on 4 reviews, 0 labels differ", last)[1]
    assert 0 <= float(difference) <= 1e-4
    tensorflow = (tiny / "build/tiny/predict/tensorflow/predictions.txt").read_text().splitlines()
    assert [LINE.fullmatch(line).groups() for line in tensorflow] == [LINE.fullmatch(line).groups() for line in lines]


def test_a_changed_phase_takes_what_followed_from_it_along(tmp_path):
    """The results of two parameter sets never lie in one folder, and a bad parameter costs nothing."""
    checkout = copy_checkout(tmp_path / "checkout")
    build = checkout / "build/tiny"
    make(checkout, "pb", "fc", TINY)
    before = os.stat(build / "result1/eval_results.txt").st_mtime_ns
    assert "999999 train reviews wanted" in make_fails(checkout, "result1", TINY, "TRAIN_SIZE=999999")
    assert "no such folder" in make_fails(checkout, "-j4", "result1", TINY, "HUB_MODULE=/nowhere")
    make(checkout, "pb", "fc", TINY)
    assert os.stat(build / "result1/eval_results.txt").st_mtime_ns == before
    make(checkout, "result1", TINY, "EPOCHS=1.0")
    assert (build / "result1/model.ckpt-8.index").is_file()
    for name in ("result2", "bert-finetune.pb", "weight.npy", "bias.npy", "pb.record.json", "fc.record.json"):
        assert not (build / name).exists()
    assert "5 records" in make(checkout, "verify", TINY)  # pretrained, reviews, features, patch, result1


def test_verify_names_what_differs(tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    build = checkout / "build/tiny"
    make(checkout, "result1", TINY)
    assert make(checkout, "verify", TINY).startswith("4 records, ")
    record = build / "result1.record.json"
    whole = record.read_text()
    record.write_text(whole.replace('"--learning_rate=1e-3"', '"--learning_rate=1e-4"'))
    assert "result1.record.json: edited by hand since it was written" in make_fails(checkout, "verify", TINY)
    record.write_text(whole)
    (build / "result1/eval_results.txt").write_text("eval_accuracy = 1.0\n")
    (build / "reviews/train.jsonl").write_text("")
    (build / "result1/stray").write_text("")
    output = make_fails(checkout, "verify", TINY)
    assert "build/tiny/result1/eval_results.txt: is no longer as result1 made it" in output
    assert "build/tiny/reviews/train.jsonl: has changed since features read it" in output
    assert "build/tiny/result1/stray: in no record" in output
    assert "4 not as recorded" in output  # train.jsonl twice: made by reviews, read by features


def test_what_each_stage_leaves(tiny):
    build = tiny / "build" / "tiny"
    for phase in ("result1", "result2"):
        assert (build / phase / "model.ckpt-16.index").is_file()  # int(64 / 8 * 2.0)
        assert read_results(build / phase / "eval_results.txt")["global_step"] == 16
    assert np.load(build / "weight.npy").shape == (2, 32)
    assert np.load(build / "bias.npy").shape == (2,)
    assert "f16" not in (build / "bert-finetune.xml").read_text().lower()
    assert not list(build.rglob("*.part"))


def test_a_second_predict_remakes_nothing(tiny):
    before = times(tiny)
    make(tiny, "predict", TINY)
    assert not remade(before, times(tiny))
    assert make(tiny, "-n", "predict", TINY).strip() == "cat build/tiny/predict/openvino.txt"


def test_heldout_agrees_with_tensorflow_and_tensorflow_with_its_evaluation(tiny):
    assert "on 48 reviews, 0 labels differ" in make(tiny, "heldout", TINY)
    build = tiny / "build" / "tiny"
    probabilities = np.loadtxt(build / "heldout/tensorflow/test_results.tsv")
    labels = np.array([json.loads(line)["label"] for line in (build / "reviews/test.jsonl").open()])
    results = read_results(build / "result2/eval_results.txt")
    assert results["eval_accuracy"] == pytest.approx((probabilities.argmax(1) == labels).mean(), abs=1e-6)
    assert results["eval_loss"] == pytest.approx(-np.log(probabilities[range(48), labels]).mean(), abs=1e-4)
    assert results["true_positives"] == (probabilities.argmax(1) & labels).sum()


def test_reviews_of_ones_own(tiny, tmp_path):
    """Hard ones, on which ids that differ would show as probabilities that differ."""
    hard = [
        "Ça, c'était un chef-d'œuvre ΟΔΟΣ",
        "这部电影 很好",
        "👍🏽🎬\u200d\ufeff\x07",
        "a" * 300,
        "[SEP] [MASK]",
        "",
        " \t ",
    ]
    (tmp_path / "hard.txt").write_text("\n".join(hard) + "\n", encoding="utf-8")
    before = times(tiny)
    *lines, last = make(tiny, "predict", TINY, f"REVIEWS={tmp_path}/hard.txt").splitlines()
    assert f"on {len(hard)} reviews, 0 labels differ" in last
    assert remade(before, times(tiny)) == {"tensorflow", "predict"}
    assert "'That movie was absolutely awful'" in make(tiny, "predict", TINY)


def test_touching_the_patch_remakes_result2_and_what_follows(tiny):
    before = times(tiny)
    (tiny / "patches/disable-dropout.patch").touch()
    make(tiny, "predict", TINY)
    assert remade(before, times(tiny)) == {"result2", "pb", "fc", "ir", "tensorflow", "predict"}


@pytest.mark.parametrize(
    "change, stages",
    [
        ("LEARNING_RATE2=1e-5", ["result2"]),
        ("LEARNING_RATE=1e-5", ["result1", "result2"]),
        ("MAX_SEQ_LENGTH=24", ["result1", "result2"]),
    ],
)
def test_a_changed_parameter_retrains_what_depends_on_it(change, stages, tiny):
    plan = make(tiny, "-n", "predict", TINY, change)
    assert [stage for stage in ("result1", "result2") if f"--output_dir=build/tiny/{stage}\n" in plan] == stages
    assert "inputs.reviews" not in plan and "inputs.pretrained" not in plan
    assert "ckpt_to_pb.py" in plan and "openvino.tools.mo" in plan


def test_a_changed_requirements_file_rebuilds_that_environment_only(tiny):
    plan = make(tiny, "-n", "-W", "requirements/openvino.txt", "predict", TINY)
    assert re.findall(r"--notest -e (\w+)", plan) == ["openvino"]
    assert "run_classifier" not in plan


def test_a_patch_that_no_longer_applies_stops_make(tiny):
    before = times(tiny)
    script = tiny / "run_classifier.py"
    script.write_text(script.read_text().replace("is_training = (mode", "is_training = bool(mode"))
    try:
        output = make_fails(tiny, "result2", TINY)
    finally:
        shutil.copy2(ROOT / "run_classifier.py", script)
    assert "Hunk #1 FAILED" in output
    make(tiny, "predict", TINY)  # remakes the patched script, which was taken away, and so result2
    assert "result1" not in remade(before, times(tiny))


def last_step(result1):
    """Returns the last step whose checkpoint is whole: listed, and its meta graph written after that."""
    state = result1 / "checkpoint"
    listed = re.findall(r'^all_model_.*"model.ckpt-(\d+)"', state.read_text() if state.exists() else "", re.MULTILINE)
    return max((int(step) for step in listed if (result1 / f"model.ckpt-{step}.meta").exists()), default=0)


def stop(checkout, command, signal_number):
    """Starts make and sends it a signal once a new checkpoint is there; returns (last saved step, output)."""
    result1 = checkout / "build/tiny/result1"
    before = last_step(result1)
    process = start(checkout, *command)
    while last_step(result1) <= before:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal_number)
    output = "".join(process.communicate())
    assert process.returncode != 0
    assert not (result1 / "eval_results.txt").exists()
    return last_step(result1), output


def test_stopped_training_resumes_from_its_last_checkpoint(tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    result1 = checkout / "build/tiny/result1"
    longer = ("result1", TINY, "EPOCHS=40.0")  # 320 steps
    first, output = stop(checkout, longer, signal.SIGINT)
    assert "interrupted: run it again to go on" in output and "Traceback" not in output
    second, output = stop(checkout, longer, signal.SIGKILL)
    assert 0 < first < second < 320
    assert f"resuming build/tiny/result1 at step {second} of 320" in make(checkout, *longer)
    assert read_results(result1 / "eval_results.txt")["global_step"] == 320

    # Another sample starts from nothing: no checkpoint of the first is left beside its own.
    output = make(checkout, "result1", TINY, "TRAIN_SIZE=32", "EPOCHS=1.0")
    assert "inputs.reviews" in output and "resuming" not in output
    assert {path.name for path in result1.glob("*.index")} == {"model.ckpt-0.index", "model.ckpt-4.index"}


def test_a_lost_record_or_a_kill_before_it_was_written_remakes_the_stage(tiny):
    build = tiny / "build/tiny"
    before = times(tiny)
    (build / "fc.record.json").unlink()
    (build / "ir.record.json").unlink()
    assert "bias.npy: in no record" in make_fails(tiny, "verify", TINY)
    make(tiny, "predict", TINY)
    assert remade(before, times(tiny)) == {"fc", "ir", "predict"}
    assert "all as recorded" in make(tiny, "verify", TINY)


@pytest.mark.parametrize(
    "given, message",
    [
        ("TRAIN_SIZE=five", "TRAIN_SIZE=five: must be a positive whole number"),
        ("MAX_SEQ_LENGTH=32.5", "MAX_SEQ_LENGTH=32.5: must be a positive whole number"),
        ("EPOCHS=0", "EPOCHS=0: must be a positive number"),
        ("LEARNING_RATE=", "LEARNING_RATE=: must be a positive number"),
        ("MAX_SEQ_LENGTH=1000", "MAX_SEQ_LENGTH=1000: the model has only 64 positions"),
        ("TRAIN_SIZE=2", "2 reviews make no step of TRAIN_BATCH_SIZE=8"),
        ("RANDOM_SEED=-1", "seed '-1': must be a whole number"),
        ("SEEDS=0 x", "seed 'x': must be a whole number"),
        ("REVIEWS=", "REVIEWS= is empty: leave it out for the default"),
        ("HUB_MODULE=a b", "HUB_MODULE='a b': Make takes no spaces in it"),
    ],
)
def test_a_bad_parameter_is_one_clear_line_and_costs_nothing(given, message, tiny):
    before = times(tiny)
    assert message in make_fails(tiny, "predict", TINY, given).splitlines()[0]
    assert times(tiny) == before


@pytest.mark.slow
@pytest.mark.parametrize("way", [[], ["HUB_MODULE=build/tiny/hub-module"]], ids=["checkpoint", "module"])
def test_deterministic_training_is_the_same_to_the_last_bit(way, tmp_path):
    """Beside each other, so that they disturb each other, and long enough for the hooks of every 100 steps."""
    runs = [copy_checkout(tmp_path / name) for name in ("one", "two")]
    for process in [start(run, "result1", TINY, "DETERMINISTIC=1", "EPOCHS=16.0", *way) for run in runs]:
        stdout, stderr = process.communicate()
        assert process.returncode == 0, stdout + stderr
    records = [json.loads((run / "build/tiny/result1.record.json").read_text()) for run in runs]
    first, second = (
        {path: digest for path, digest in record["outputs"].items() if ".data-" in path or "eval_results" in path}
        for record in records
    )
    assert "build/tiny/result1/model.ckpt-128.data-00000-of-00001" in first
    assert first == second


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(tiny, tmp_path):
    mine = (tiny / "build/tiny/reviews/train.jsonl").read_text()
    checkout = copy_checkout(tmp_path / "checkout")
    for seed, same in ((0, True), (1, False)):
        make(checkout, "reviews", TINY, f"RANDOM_SEED={seed}")
        assert ((checkout / "build/tiny/reviews/train.jsonl").read_text() == mine) is same


def test_a_damaged_checkpoint_makes_no_pb(tiny):
    data = tiny / "build/tiny/result2/model.ckpt-16.data-00000-of-00001"
    pb = tiny / "build/tiny/bert-finetune.pb"
    whole, frozen = data.read_bytes(), pb.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    pb.unlink()
    try:
        assert "damaged or truncated checkpoint" in make_fails(tiny, "pb", TINY)
        assert not pb.exists()
    finally:
        data.write_bytes(whole)
    make(tiny, "predict", TINY)
    assert pb.read_bytes() == frozen


def test_a_broken_pb_makes_no_ir(tiny):
    pb = tiny / "build/tiny/bert-finetune.pb"
    ir = tiny / "build/tiny/bert-finetune.xml"
    frozen, before = pb.read_bytes(), ir.read_bytes()
    pb.write_bytes(frozen[: len(frozen) // 2])
    try:
        assert "build/tiny/bert-finetune.pb: not a whole frozen graph" in make_fails(tiny, "ir", TINY)
        assert not ir.exists() or ir.read_bytes() == before
    finally:
        pb.write_bytes(frozen)
    make(tiny, "predict", TINY)


def test_unknown_device_is_one_clear_line_and_keeps_the_predictions(tiny):
    before = (tiny / "build/tiny/predict/openvino.txt").read_text()
    assert "device NPU.7 cannot run build/tiny/bert-finetune.xml" in make_fails(tiny, "predict", TINY, "DEVICE=NPU.7")
    assert make(tiny, "predict", TINY) == before
