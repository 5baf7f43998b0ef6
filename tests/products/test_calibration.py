"""A classifier with calibrated probabilities, through Make: nothing else of the build changes, and no label does."""

import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from checkout import ROOT, clean_environment, make, make_fails
from test_forms import read_with

from infer.temperature import find_temperature, heat, measure

TINY = "PROFILE=tiny"
CALIBRATE = "CALIBRATE=1"
GUIDES = (
    *("bert-finetune.pb", "bert-finetune.xml", "bert-finetune.bin", "weight.npy", "bias.npy", "labels.txt"),
    *("predict/openvino.txt", "result1/eval_results.txt", "result2/eval_results.txt", "features/features.json"),
)
PREDICT = """
import json, sys
import numpy as np
from infer import Classifier
texts = [json.loads(line)["review"] for path in sys.argv[3:] for line in open(path)]
np.save(sys.argv[2], Classifier(sys.argv[1]).predict_window(texts))
"""


def probabilities(build, model, tmp_path, *splits):
    """Returns a classifier's probabilities of the reviews of each split, float array (reviews, labels)."""
    paths = [build / f"reviews/{split}.jsonl" for split in splits]
    command = [ROOT / ".tox/openvino-current/bin/python", "-c", PREDICT, build / model, tmp_path / "found.npy", *paths]
    subprocess.run(command, cwd=ROOT, env=clean_environment(), check=True)
    return np.split(np.load(tmp_path / "found.npy"), np.cumsum([len(labels_of(build, split)) for split in splits])[:-1])


def labels_of(build, split):
    return np.array([json.loads(line)["label"] for line in (build / f"reviews/{split}.jsonl").open()])


def read_record(build, stage):
    return json.loads((build / f"{stage}.record.json").read_text())


def test_a_temperature_is_found_on_what_was_kept_from_training_and_folded_into_the_head(tiny, tmp_path):
    build = tiny / "build/tiny"
    make(tiny, "predict", "classifier", TINY)
    before = {name: (build / name).read_bytes() for name in (*GUIDES, "classifier.xml", "classifier.bin")}
    kept, test = probabilities(build, "classifier.xml", tmp_path, "calibrate", "test")

    assert "infer.calibrate" in make(tiny, "-n", "classifier", TINY, CALIBRATE)
    output = make(tiny, "classifier", TINY, CALIBRATE)
    found = read_record(build, "calibration")["found"]
    temperature = found["temperature"]
    again = find_temperature(np.log(kept.astype(float)), labels_of(build, "calibrate"))
    assert temperature == pytest.approx(again, abs=2e-3)
    assert abs(temperature - 1) > 0.1, "nothing to calibrate"
    assert json.loads((build / "calibration/temperature.json").read_text()) == found
    assert f'<temperature value="{temperature}"' in (build / "classifier.xml").read_text()
    assert read_record(build, "classifier")["flags"]["temperature"] == "build/tiny/calibration/temperature.json"

    assert output.endswith((build / "calibration/results.txt").read_text())
    assert output.splitlines()[-5:] == make(tiny, "classifier", TINY, CALIBRATE).splitlines(), "made once"
    measured = found["measured"]
    assert measured["calibration set, uncalibrated"]["texts"] == 2000
    for name in ("calibration set", "test, FP32"):
        assert measured[f"{name}, calibrated"]["loss"] < measured[f"{name}, uncalibrated"]["loss"]

    (shipped,) = probabilities(build, "classifier.xml", tmp_path, "test")
    np.testing.assert_allclose(shipped, heat(test, temperature), atol=1e-6)
    np.testing.assert_array_equal(shipped.argmax(1), test.argmax(1))
    for state, values in (("uncalibrated", test), ("calibrated", shipped)):
        wanted = measure(labels_of(build, "test"), values.astype(float))
        assert measured[f"test, FP32, {state}"] == pytest.approx(wanted | {"texts": 48}, abs=6e-5)

    assert {name: (build / name).read_bytes() for name in GUIDES} == {name: before[name] for name in GUIDES}
    assert "classifier: --temperature is gone" in make(tiny, "classifier", TINY)
    assert {name: (build / name).read_bytes() for name in before} == before
    assert "all as recorded" in make(tiny, "verify", TINY)
    forget(build)


def forget(build):
    """Leaves a build, whose classifier is made again, as it was."""
    shutil.rmtree(build / "calibration")
    (build / "calibration.record.json").unlink()


@pytest.mark.parametrize(
    "goal, given, message",
    [
        (
            "classifier",
            (),
            "CALIBRATE=nonsense: no such file: give 1 for reviews that were kept from training, or",
        ),
        ("int8", ("CHECKPOINT=build/tiny/result2/model.ckpt-32",), "what CHECKPOINT= was trained on is not known here"),
        (
            "classifier",
            ("TRAIN=README.md", "TEST=LICENSE"),
            "CALIBRATE=1: all texts are trained on: add TRAIN_SIZE=",
        ),
        ("predict", (), "make predict is about the probabilities that the guide's way has, uncalibrated: leave out"),
        ("bench", (), "make bench is about the probabilities that the guide's way has, uncalibrated: leave out"),
    ],
)
def test_what_cannot_be_calibrated_is_one_clear_line(goal, given, message, tiny):
    calibrate = "CALIBRATE=nonsense" if "nonsense" in message else CALIBRATE
    said = make_fails(tiny, goal, TINY, calibrate, *given).splitlines()
    assert message in said[0] and all(line.startswith(("make: ***", "make[1]: ***")) for line in said[1:]), said


def test_none_is_asked_for_by_0_or_nothing(tiny):
    assert "calibrat" not in make(tiny, "-n", "classifier", TINY, "CALIBRATE=0")
    assert "calibrat" not in make(tiny, "-n", "classifier", TINY, "CALIBRATE=")


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("words", "kind"), *rows])
    return path


@pytest.mark.more
def test_a_file_of_texts_with_labels_does_as_well_or_one_line_says_why_not(tiny, tmp_path):
    build = tiny / "build/tiny"
    make(tiny, "classifier", TINY, CALIBRATE)
    temperature = read_record(build, "calibration")["found"]["temperature"]
    splits = {
        split: [json.loads(line) for line in (build / f"reviews/{split}.jsonl").open()]
        for split in ("train", "test", "calibrate")
    }
    pairs = {
        split: [(row["review"], ("Negative", "Positive")[row["label"]]) for row in rows]
        for split, rows in splits.items()
    }
    columns = "TEXT_COLUMN=words", "LABEL_COLUMN=kind"
    file = write_rows(tmp_path / "held $(out) one's.csv", pairs["calibrate"] + pairs["test"] + pairs["train"][:7])
    output = make(tiny, "classifier", TINY, f"CALIBRATE={file}", *columns)
    assert f"{file}: 55 of its 2055 texts are in train or test as well: left out" in output
    record = read_record(build, "calibration")
    assert record["found"]["temperature"] == temperature and str(file) in record["inputs"]
    before = (build / "classifier.xml").read_bytes()
    negative = [row for row in pairs["calibrate"] if row[1] == "Negative"]
    wrong = [(text, "Positive" if label == "Negative" else "Negative") for text, label in pairs["calibrate"]]
    for rows, message in (
        (negative, f"all its {len(negative)} texts have the same label: a temperature takes texts of several"),
        (pairs["calibrate"][:99], "99 texts to calibrate on: a temperature takes at least 100"),
        (pairs["train"] + pairs["test"], "0 texts to calibrate on: a temperature takes at least 100"),
        ([(text, "neither") for text, _ in negative], "rows are bad, more than a tenth"),
        (wrong, "tell next to nothing of these labels: check them, or train longer"),
    ):
        output = make_fails(tiny, "classifier", TINY, f"CALIBRATE={write_rows(tmp_path / 'bad.csv', rows)}", *columns)
        assert f"{tmp_path}/bad.csv: " in output and message in output
        assert (build / "classifier.xml").read_bytes() == before
    output = make_fails(tiny, "classifier", TINY, f"CALIBRATE={tmp_path}/bad.csv")
    assert "no column 'review'" in output or "name the text" in output, output
    make(tiny, "classifier", TINY)
    forget(build)


@pytest.mark.more
def test_int8_and_what_others_read_carry_it(tiny, tmp_path):
    build = tiny / "build/tiny"
    forms = "int8", "huggingface", "onnx"
    make(tiny, "classifier", *forms, TINY)
    before = {path: path.read_bytes() for name in ("int8", "huggingface") for path in (build / name).glob("*.bin")}
    (plain,) = probabilities(build, "int8/classifier.xml", tmp_path, "test")
    output = make(tiny, "classifier", *forms, TINY, CALIBRATE, "TOKENIZER=1")
    temperature = read_record(build, "calibration")["found"]["temperature"]
    assert re.search(r"^test, INT8, calibrated  +48 ", output, re.MULTILINE)
    (int8,) = probabilities(build, "int8/classifier.xml", tmp_path, "test")
    np.testing.assert_allclose(int8, heat(plain, temperature), atol=0.01)
    shown = (build / "int8/results.txt").read_text().splitlines()[-4:]
    assert [line.split("  ")[0] for line in shown] == [
        f"test, {name}, {state}" for name in ("FP32", "INT8") for state in ("uncalibrated", "calibrated")
    ]
    wanted = measure(labels_of(build, "test"), int8.astype(float)).values()
    assert [float(number) for number in shown[-1].split()[-4:]] == pytest.approx([*wanted], abs=6e-5)
    texts = [json.loads(line)["review"] for line in (build / "reviews/test.jsonl").open()]
    (fp32,) = probabilities(build, "classifier.xml", tmp_path, "test")
    for form in ("huggingface", "classifier.onnx"):
        _, found, _ = read_with(build / form, texts, build / "huggingface")
        np.testing.assert_allclose(found, fp32, atol=1e-5)
    for name in ("classifier.xml", "int8/classifier.xml", "string/classifier.xml"):
        assert f'<temperature value="{temperature}"' in (build / name).read_text(), name
    assert (
        f"divided by a temperature of {temperature}, which changes no" in (build / "huggingface/README.md").read_text()
    )
    assert "all as recorded" in make(tiny, "verify", TINY)
    output = make(tiny, "reproduce", TINY, CALIBRATE, "STAGES=fc calibration classifier int8 onnx")
    assert output.count(" yes ") == 5, output
    assert "--temperature is gone" in make_fails(tiny, "reproduce", TINY, "STAGES=classifier")
    assert "as recorded" in make(tiny, "status", TINY, CALIBRATE)

    make(tiny, "classifier", *forms, TINY)
    assert {path: path.read_bytes() for path in before} == before
    assert " yes " in make(tiny, "reproduce", TINY, "STAGES=calibration"), "known without CALIBRATE= too"
    forget(build)
    shutil.rmtree(build / "string")
    (build / "string.record.json").unlink()
