"""The pipeline on the tiny profile, from weights to predictions, and Make's rules for what to rebuild."""

import json
import os
import re
import shutil
import signal
import time

import numpy as np
import pytest
from checkout import FP32, ROOT, clean_environment, copy_checkout, make, make_fails, read_results, start

from infer.guide import load_classifier
from infer.text.tokenizer import load_tokenizer, read_vocab, to_features

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


def test_predict_prints_four_lines_and_the_largest_difference(tiny):
    *lines, last = make(tiny, "predict", TINY).splitlines()
    assert [LINE.fullmatch(line)[1] for line in lines] == (ROOT / "infer/reviews.txt").read_text().splitlines()
    assert largest_difference(last, 4) <= FP32
    tensorflow = (tiny / "build/tiny/predict/tensorflow/predictions.txt").read_text().splitlines()
    assert [LINE.fullmatch(line).groups() for line in tensorflow] == [LINE.fullmatch(line).groups() for line in lines]


def test_another_set_of_parameters_moves_the_last_one_aside_and_back(built, tmp_path):
    """The results of two never lie in one folder, none is lost, and a bad parameter costs nothing."""
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    build = checkout / "build/tiny"
    before = os.stat(build / "result1/eval_results.txt").st_mtime_ns
    assert "999999 train reviews wanted" in make_fails(checkout, "result1", TINY, "TRAIN_SIZE=999999")
    assert "no such folder" in make_fails(checkout, "-j4", "result1", TINY, "HUB_MODULE=/nowhere")
    make(checkout, "predict", TINY)
    assert os.stat(build / "result1/eval_results.txt").st_mtime_ns == before
    output = make(checkout, "result1", TINY, "EPOCHS=1.0")
    assert "result1: --num_train_epochs was 8.0, is 1.0" in output
    assert (build / "result1/model.ckpt-8.index").is_file()
    (aside,) = (build / "earlier").iterdir()
    following = "result2", "bert-finetune.pb", "weight.npy", "classifier.bin", "int8", "huggingface", "predict"
    for name in ("result1", *following):
        assert not (build / name).exists() or name == "result1"
        assert (aside / name).exists()
    assert "5 records" in make(checkout, "verify", TINY)  # pretrained, reviews, features, patch, result1

    output = make(checkout, "predict", "classifier", "int8", TINY)
    assert "result1: made before with the same, and moved back" in output and ".py " not in output
    assert (build / "predict/openvino.txt").read_bytes() == (built / "predict/openvino.txt").read_bytes()
    assert "all as recorded" in make(checkout, "verify", TINY)


def test_verify_names_what_differs(built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    build = checkout / "build/tiny"
    assert make(checkout, "verify", TINY).startswith("15 records, ")
    record = build / "result1.record.json"
    whole = record.read_text()
    record.write_text(whole.replace('"--learning_rate=5e-4"', '"--learning_rate=5e-5"'))
    assert "result1.record.json: edited by hand since it was written" in make_fails(checkout, "verify", TINY)
    record.write_text(whole)
    (build / "result1/eval_results.txt").write_text("eval_accuracy = 1.0\n")
    (build / "reviews/train.jsonl").write_text("")
    (build / "result1/stray").write_text("")
    output = make_fails(checkout, "verify", TINY)
    assert "build/tiny/result1/eval_results.txt: is no longer as result1 made it" in output
    assert "build/tiny/reviews/train.jsonl: has changed since features read it" in output
    assert "build/tiny/result1/stray: in no record" in output
    # train.jsonl four times: made by reviews, read by features, int8 and huggingface
    assert "6 not as recorded" in output
    assert "restore it, or run `make result1`" in output


def test_what_each_stage_leaves(tiny):
    build = tiny / "build" / "tiny"
    for phase, steps in (("result1", 64), ("result2", 32)):  # int(64 / 8 * 8.0), int(64 / 8 * 4.0)
        assert (build / phase / f"model.ckpt-{steps}.index").is_file()
        assert read_results(build / phase / "eval_results.txt")["global_step"] == steps
    losses = [read_results(build / phase / "eval_results.txt")["eval_loss"] for phase in ("result1", "result2")]
    assert abs(losses[1] - losses[0]) > 1e-3, "the second phase learns"
    graphs = [(build / name).read_bytes() for name in ("result1/model.ckpt-64.meta", "result2/model.ckpt-32.meta")]
    assert [b"dropout" in graph for graph in graphs] == [True, False]
    assert np.load(build / "weight.npy").shape == (2, 32)
    assert np.load(build / "bias.npy").shape == (2,)
    assert "f16" not in (build / "bert-finetune.xml").read_text().lower()
    assert not list(build.rglob("*.part"))


def test_a_fresh_clone_predicts_what_the_build_beside_it_has(tiny, tmp_path):
    """As a user runs it, on several jobs; the shared build was made so by the stages one after the other."""
    checkout = copy_checkout(tmp_path / "checkout")
    printed = make(checkout, "-j4", "predict", TINY).splitlines()
    assert printed[-5:] == (tiny / "build/tiny/predict/openvino.txt").read_text().splitlines()
    for name in ("features/features.json", "bert-finetune.pb", "weight.npy", "bert-finetune.bin"):
        assert (checkout / "build/tiny" / name).read_bytes() == (tiny / "build/tiny" / name).read_bytes()
    shown = (ROOT / "docs/provenance.md").read_text()
    assert f"$ make verify {TINY}\n{make(checkout, 'verify', TINY)}" in shown
    results = checkout / "build/tiny/result2/eval_results.txt"
    results.write_text(results.read_text().replace("eval_accuracy = 0.4", "eval_accuracy = 0.9"))
    assert make_fails(checkout, "verify", TINY).split("make: ")[0] in shown


def test_a_second_predict_remakes_nothing(tiny):
    before = times(tiny)
    make(tiny, "predict", TINY)
    assert not remade(before, times(tiny))
    assert make(tiny, "-n", "predict", TINY).strip() == "cat build/tiny/predict/openvino.txt"


def largest_difference(line, reviews):
    """Returns the number in the line that compares OpenVINO with TensorFlow on so many reviews."""
    return float(re.match(rf"largest difference from TensorFlow: (\S+) on {reviews} reviews, 0 labels differ", line)[1])


def test_heldout_agrees_with_tensorflow_and_tensorflow_with_its_evaluation(tiny):
    assert largest_difference(make(tiny, "heldout", TINY), 48) <= FP32
    build = tiny / "build" / "tiny"
    probabilities = np.loadtxt(build / "heldout/tensorflow/test_results.tsv")
    labels = np.array([json.loads(line)["label"] for line in (build / "reviews/test.jsonl").open()])
    results = read_results(build / "result2/eval_results.txt")
    assert results["eval_accuracy"] == pytest.approx((probabilities.argmax(1) == labels).mean(), abs=1e-6)
    assert results["eval_loss"] == pytest.approx(-np.log(probabilities[range(48), labels]).mean(), abs=1e-5)
    assert results["true_positives"] == (probabilities.argmax(1) & labels).sum()


def test_reviews_of_ones_own(tiny, tmp_path):
    """Hard ones; of ids that differ, the next test shows that they change the probabilities."""
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
    assert largest_difference(last, len(hard)) <= FP32
    assert remade(before, times(tiny)) == {"tensorflow", "predict"}
    assert "'That movie was absolutely awful'" in make(tiny, "predict", TINY)


def keep_case(texts, vocab, encode):
    return map(encode, load_tokenizer(vocab, do_lower_case=False)(texts))


def reverse_words(texts, vocab, encode):
    return map(encode, load_tokenizer(vocab)([" ".join(reversed(text.split())) for text in texts]))


def forget_sep(texts, vocab, encode):
    features = [*map(encode, load_tokenizer(vocab)(texts))]
    for ids, mask, _ in features:
        ids[ids == vocab["[SEP]"]] = 0
        mask[0, mask.sum() - 1] = 0
    return features


def forget_mask(texts, vocab, encode):
    features = [*map(encode, load_tokenizer(vocab)(texts))]
    for _, mask, _ in features:
        mask[:] = 1
    return features


def draw_pieces(texts, vocab, encode):
    random = np.random.default_rng(0)
    return [encode(random.integers(len(vocab), size=len(ids)).tolist()) for ids in load_tokenizer(vocab)(texts)]


@pytest.mark.parametrize("mistake", [keep_case, reverse_words, forget_sep, forget_mask, draw_pieces])
def test_a_mistake_in_the_features_changes_the_probabilities(mistake, tiny):
    """Or else that OpenVINO's and TensorFlow's are the same would say nothing."""
    build = tiny / "build/tiny"
    predict, max_seq_length, _ = load_classifier(build / "bert-finetune.xml")
    vocab = read_vocab(build / "pretrained/vocab.txt")

    def encode(ids):
        return to_features(ids, (vocab["[CLS]"], vocab["[SEP]"]), max_seq_length)

    def probabilities(features):
        return np.array([predict(inputs)[1] for inputs in features])

    # In capitals, where snippets have none.
    texts = [text.title() for text in (build / "reviews/heldout.txt").read_text().splitlines()]
    right = probabilities(map(encode, load_tokenizer(vocab)(texts)))
    wrong = probabilities(mistake(texts, vocab, encode))
    assert np.ptp(right) > 0.1 and {*(right > 0.5)} == {True, False}, "it tells texts apart"
    assert np.abs(wrong - right).max() > 1e4 * FP32 and np.median(np.abs(wrong - right)) > 100 * FP32


def test_the_guides_reviews_are_told_apart(tiny):
    reviews = np.loadtxt(tiny / "build/tiny/predict/tensorflow/test_results.tsv")[:, 1]
    assert np.diff(np.sort(reviews)).min() > 10 * FP32


def touch_all(checkout, when):
    """Gives every file of a checkout, its build among them, one time."""
    for path in checkout.rglob("*"):
        if path.is_file() and not path.is_symlink() and "downloads" not in path.parts and ".tox" not in path.parts:
            os.utime(path, (when, when))


@pytest.mark.parametrize("when", [0, time.time(), 4e9], ids=["long ago", "now", "in the future"])
def test_times_remake_nothing(when, tiny):
    touch_all(tiny, when)
    before = times(tiny)
    assert len(make(tiny, "predict", TINY).splitlines()) == 5
    assert not remade(before, times(tiny))
    touch_all(tiny, time.time())  # Make itself warns of files of the future


@pytest.mark.more
def test_a_changed_patch_remakes_result2_and_what_follows_if_it_makes_another_script(built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    patch = checkout / "patches/disable-dropout.patch"
    before, text = times(checkout), patch.read_text()
    patch.write_text("What the guide's reader does by hand:\n" + text)
    output = make(checkout, "predict", TINY)
    assert "patch: patches/disable-dropout.patch differs from what it was made with" in output
    assert not remade(before, times(checkout)), "the script that it makes is the same"
    patch.write_text(text.replace("is_training = False", "is_training = False  # no dropout"))
    output = make(checkout, "predict", TINY)
    assert "result2: build/tiny/run_classifier.py differs from what it was made with" in output
    assert remade(before, times(checkout)) >= {"result2", "pb", "fc", "tensorflow"}
    assert not remade(before, times(checkout)) & {"pretrained", "reviews", "features", "result1"}


def test_an_output_that_was_edited_is_made_again(built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    weight = checkout / "build/tiny/weight.npy"
    whole = weight.read_bytes()
    weight.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "fc: build/tiny/weight.npy is not as it was made" in make(checkout, "status", TINY)
    assert "fc: build/tiny/weight.npy is not as it was made" in make(checkout, "predict", TINY)
    assert weight.read_bytes() == whole
    pb = checkout / "build/tiny/bert-finetune.pb"
    pb.write_bytes(pb.read_bytes()[:1000])
    make(checkout, "ir", TINY)
    assert pb.read_bytes() == (built / "bert-finetune.pb").read_bytes()


def status(checkout, *given):
    """Returns {stage: what `make status` says of it}."""
    return dict(line.split(": ", 1) for line in make(checkout, "status", TINY, *given).splitlines())


def test_status_says_why_in_words_and_a_dry_run_the_same(built, tmp_path):
    tiny = copy_checkout(tmp_path / "checkout", build=built)
    chain = ("pb", "fc", "ir", "tensorflow (predict)", "openvino (predict)", "classifier", "int8")
    told = status(tiny)
    assert {told[stage] for stage in ("pretrained", "reviews", "features", "result1", "result2", *chain)} == {
        "as recorded"
    }
    assert told["ablation"] == told["bench"] == "not made yet"
    told = status(tiny, "LEARNING_RATE2=3e-5")
    assert told["result2"] == "--learning_rate was 5e-4, is 3e-5" and told["result1"] == "as recorded"
    assert all(told[stage].endswith("is to be made first") for stage in chain)
    told = status(tiny, "TEST_SIZE=40")
    assert told["reviews"] == "--test_size was 48, is 40"
    assert told["features"].endswith("is to be made first") and told["result1"].endswith("is to be made first")
    process = start(tiny, "-n", "predict", TINY, "TEST_SIZE=40")
    plan, why = process.communicate()
    assert "reviews: --test_size was 48, is 40" in why
    for stage in (
        "inputs.reviews",
        "tf1.features",
        "python run_classifier.py",
        "openvino.tools.mo",
        "python -m infer ",
    ):
        assert stage in plan
    assert "pretrained" not in why and "tf1.pretrained" not in plan


def test_status_needs_no_environment_but_tools(built, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    (checkout / ".tox").unlink()
    (checkout / ".tox").mkdir()
    for name in ("tools", "tools.stamp", "python3.11.txt"):
        (checkout / ".tox" / name).symlink_to(ROOT / ".tox" / name)
    assert status(checkout)["result2"] == "as recorded"


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
    assert "inputs.reviews" not in plan and "tf1.pretrained" not in plan
    assert "ckpt_to_pb.py" in plan and "openvino.tools.mo" in plan


def test_changed_pins_rebuild_that_environment_and_what_was_made_in_it(tiny):
    pins = tiny / "requirements/openvino.txt"
    text = pins.read_text()
    pins.write_text(text + "# another line\n")
    try:
        plan = make(tiny, "-n", "predict", TINY)
        assert status(tiny)["ir"] == "requirements/openvino.txt differs from what it was made with"
    finally:
        pins.write_text(text)
    assert re.findall(r"--notest -e (\w+)", plan) == ["openvino"]
    assert "openvino.tools.mo" in plan and "run_classifier" not in plan and "ckpt_to_pb" not in plan


def test_a_patch_that_no_longer_applies_stops_make(tiny):
    before = times(tiny)
    script = tiny / "run_classifier.py"
    script.write_text(script.read_text().replace("is_training = (mode", "is_training = bool(mode"))
    try:
        output = make_fails(tiny, "result2", TINY)
    finally:
        shutil.copy2(ROOT / "run_classifier.py", script)
    assert "Hunk #1 FAILED" in output
    make(tiny, "predict", TINY)
    assert not remade(before, times(tiny))


def test_a_build_that_is_a_link_to_a_larger_disk_is_as_a_folder(tiny, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout", downloads=False)
    shutil.copytree(tiny / "build", tmp_path / "disk", symlinks=True)
    (checkout / "build").symlink_to(tmp_path / "disk")
    for name in ("patch.record.json", "run_classifier.py", "ir.record.json"):
        (checkout / "build/tiny" / name).unlink()
    output = make(checkout, "predict", TINY)
    assert "patch --output=- " in output
    assert "openvino.tools.mo" in output and "python build/tiny/run_classifier.py" not in output
    assert "all as recorded" in make(checkout, "verify", TINY)
    assert (tmp_path / "disk/tiny/run_classifier.py").is_file() and (checkout / "build").is_symlink()


# What a shell may happen to have by the name of a variable of Make's, and what it says to Make's tools and Pythons.
SHELL = {"LENGTH": "5", "OUT": "/x", "T": "x", "CHECKPOINT": "/x", "BUILD": "/x", "SEVERAL": "2", "STATUS": "yes"}
SHELL |= {"PYTHONHOME": "/x", "PYTHONPATH": "/x", "PYTHONINSPECT": "1", "STAGE": "production", "BASH_ENV": "/x"}
SHELL |= {"MAKEFLAGS": "-j2", "MAKEFILES": "/dev/null", "POSIXLY_CORRECT": "1", "TF_CPP_MIN_LOG_LEVEL": "0"}


def test_what_the_shell_happens_to_have_changes_nothing(tiny):
    clean = make(tiny, "predict", TINY)
    (tiny / "build/tiny/predict/openvino.record.json").unlink()
    shell = clean_environment(**SHELL)
    assert make(tiny, "predict", TINY, env=shell).splitlines()[-5:] == clean.splitlines()[-5:]
    make(tiny, "fc", TINY, "CHECKPOINT=build/tiny/result2/model.ckpt-32", env=shell)
    shutil.rmtree(tiny / "build/tiny-build-tiny-result2-model.ckpt-32")
    assert "all as recorded" in make(tiny, "verify", TINY, env=shell)
    assert make(tiny, "predict", TINY) == clean


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


@pytest.mark.more
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
    assert remade(before, times(tiny)) == {"fc", "ir"}, "and nothing of what follows: they came out the same"
    assert "all as recorded" in make(tiny, "verify", TINY)


@pytest.mark.parametrize(
    "given, message",
    [
        ("TRAIN_SIZE=five", "TRAIN_SIZE=five: must be a positive whole number"),
        ("MAX_SEQ_LENGTH=32.5", "MAX_SEQ_LENGTH=32.5: must be a positive whole number"),
        ("EPOCHS=0", "EPOCHS=0: must be a positive number"),
        ("LEARNING_RATE=", "LEARNING_RATE=: must be a positive number"),
        ("MAX_SEQ_LENGTH=1000", "MAX_SEQ_LENGTH=1000: the model has only 64 positions"),
        ("TRAIN_SIZE=1", "1 reviews make no step of TRAIN_BATCH_SIZE=8"),
        ("RANDOM_SEED=-1", "seed '-1': must be a whole number"),
        ("SEEDS=0 x", "seed 'x': must be a whole number"),
        ("REVIEWS=", "REVIEWS= is empty: leave it out for the default"),
        ("HUB_MODULE=a b", "a b: no such folder: give the folder of a TF Hub module, or its URL"),
        ("BUILD=a b", "BUILD='a b': must be without spaces"),
        (
            "REVIEWS=build/tiny/reviews/test.jsonl",
            "test.jsonl: not a text file of one review a line: `make score` reads it",
        ),
        ("LEARNINGRATE2=5e-4", "LEARNINGRATE2=: there is no such variable: did you mean LEARNING_RATE2=?"),
        ("XYZZY=1", "XYZZY=: there is no such variable: `make help` lists them"),
    ],
)
def test_a_bad_parameter_is_one_clear_line_and_costs_nothing(given, message, tiny):
    before = times(tiny)
    assert message in make_fails(tiny, "predict", TINY, given).splitlines()[0]
    assert times(tiny) == before


@pytest.mark.more
@pytest.mark.parametrize(
    "way",
    [
        pytest.param([], id="checkpoint"),
        pytest.param(["HUB_MODULE=build/tiny/hub-module"], id="module"),
    ],
)
def test_deterministic_training_is_the_same_to_the_last_bit(way, tmp_path):
    """Beside each other, so that they disturb each other, and long enough for the hooks of every 100 steps."""
    runs = [copy_checkout(tmp_path / name) for name in ("one", "two")]
    for process in [start(run, "result1", TINY, "DETERMINISTIC=1", "EPOCHS=16.0", *way) for run in runs]:
        stdout, stderr = process.communicate()
        assert process.returncode == 0, stdout + stderr
    records = [json.loads(next(run.glob("build/tiny*/result1.record.json")).read_text()) for run in runs]
    first, second = (
        {path: digest for path, digest in record["outputs"].items() if ".data-" in path or "eval_results" in path}
        for record in records
    )
    assert any(path.endswith("/result1/model.ckpt-128.data-00000-of-00001") for path in first)
    assert first == second


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(tiny, tmp_path):
    mine = (tiny / "build/tiny/reviews/train.jsonl").read_text()
    checkout = copy_checkout(tmp_path / "checkout")
    for seed, same in ((0, True), (1, False)):
        make(checkout, "reviews", TINY, f"RANDOM_SEED={seed}")
        assert ((checkout / "build/tiny/reviews/train.jsonl").read_text() == mine) is same


def test_a_damaged_checkpoint_makes_no_pb(tiny, tmp_path):
    for path in (tiny / "build/tiny/result2").glob("model.ckpt-32.*"):
        shutil.copy(path, tmp_path)
    data = tmp_path / "model.ckpt-32.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    output = make_fails(tiny, "pb", TINY, f"CHECKPOINT={tmp_path}/model.ckpt-32")
    assert "damaged or truncated checkpoint" in output
    assert not list(tiny.glob(f"build/tiny*{tmp_path.name}*/*.pb"))


def test_a_broken_pb_makes_no_ir(tiny, tmp_path):
    frozen = (tiny / "build/tiny/bert-finetune.pb").read_bytes()
    (tmp_path / "half.pb").write_bytes(frozen[: len(frozen) // 2])
    assert f"{tmp_path}/half.pb: not a whole frozen graph" in make_fails(tiny, "ir", TINY, f"PB={tmp_path}/half.pb")
    assert not list(tiny.glob("build/tiny*half.pb/*.xml"))


def test_a_goal_that_only_uses_a_model_trains_no_other_where_there_is_one(built, tmp_path):
    """`make score` after a training with a variable that was forgotten, and after one on something given."""
    checkout = copy_checkout(tmp_path / "checkout", build=built)
    build = checkout / "build/tiny"
    (tmp_path / "in.txt").write_text("fine\n")
    score = ("score", TINY, f"INPUT={tmp_path}/in.txt", f"OUTPUT={tmp_path}/out.csv")
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}
    output = make_fails(checkout, *score, "TRAIN_SIZE=32")
    assert "make score uses a model and trains none where there is one: that in build/tiny is not as asked" in output
    assert "reviews: --train_size was 64, is 32" in output and "run `make result2`" in output
    assert {path: path.read_bytes() for path in build.rglob("*") if path.is_file()} == before
    assert "scoring with build/tiny/classifier.xml" in make(checkout, *score)

    build.rename(checkout / "build/tiny-mine")
    output = make_fails(checkout, *score)
    assert "there is none in build/tiny, but in build/tiny-mine: add DATA_DIR=" in output
    assert not (build / "result1").exists()


def test_unknown_device_is_one_clear_line_and_keeps_the_predictions(tiny):
    before = (tiny / "build/tiny/predict/openvino.txt").read_text()
    assert "device NPU.7 cannot run build/tiny/bert-finetune.xml" in make_fails(tiny, "predict", TINY, "DEVICE=NPU.7")
    assert make(tiny, "predict", TINY) == before
