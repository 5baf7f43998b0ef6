"""INT8 keeps the accuracy that was asked for and all that the classifier knows, or nothing is written."""

import json
import os

import numpy as np
import pytest
from modules import fails, run
from small import LENGTH, WORDS, random_texts

from infer import Classifier

pytestmark = pytest.mark.process


@pytest.fixture
def data_dir(classifier, tmp_path):
    """Reviews labelled as the random classifier does, which so is always right."""
    random = np.random.default_rng(3)
    for split in ("train", "test"):
        texts = [" ".join(random.choice(WORDS, random.integers(1, LENGTH))) for _ in range(100)]
        labels = Classifier(classifier).predict_window(texts).argmax(1).tolist()
        assert 30 < sum(labels) < 70
        rows = [{"review": text, "label": label, "source": ""} for text, label in zip(texts, labels, strict=True)]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def quantize(classifier, data_dir, *flags):
    return "-m", "infer.quantize", classifier, data_dir / "int8.xml", "--data_dir", data_dir, *flags


def test_int8_is_a_classifier_of_about_half_the_size_or_less(classifier, data_dir):
    done = run(*quantize(classifier, data_dir, "--max_drop=0.1"))
    assert done.returncode == 0, done.stderr
    fp32, int8, ratio = (data_dir / "results.txt").read_text().splitlines()
    assert fp32.startswith("FP32: accuracy ") and int8.startswith("INT8: accuracy ")
    assert ratio.startswith("INT8 is ") and ("times as fast as FP32 here: on this CPU" in ratio) == ("is 0." in ratio)
    assert (data_dir / "int8.bin").stat().st_size < 0.6 * classifier.with_suffix(".bin").stat().st_size
    int8, plain = (
        Classifier(path).predict_window(random_texts(400))[:, 1] for path in (data_dir / "int8.xml", classifier)
    )
    assert not np.array_equal(int8, plain) and np.corrcoef(int8, plain)[0, 1] > 0.8


def test_the_model_by_another_name_is_not_written_into(classifier, data_dir):
    before = classifier.with_suffix(".bin").read_bytes()
    for suffix in (".xml", ".bin"):
        os.link(classifier.with_suffix(suffix), data_dir / f"int8{suffix}")
    done = run(*quantize(classifier, data_dir, "--max_drop=0.1"))
    assert done.returncode == 0, done.stderr
    assert classifier.with_suffix(".bin").read_bytes() == before
    assert (data_dir / "int8.bin").stat().st_size < len(before)
    Classifier(classifier)


def test_a_loss_that_is_no_number_is_refused(classifier, data_dir):
    done = run(*quantize(classifier, data_dir, "--max_drop=nan"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("--max_drop nan: must be a number, such as 0.005\n")


def test_accuracy_that_cannot_be_held_leaves_nothing(classifier, data_dir):
    """Less than no loss is asked for, which not even keeping every layer in FP32 gives."""
    done = run(*quantize(classifier, data_dir, "--max_drop=-1"))
    assert done.returncode == 1
    assert "plain quantisation takes accuracy from 0" in done.stdout
    assert "keep FP32" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert {path.name for path in data_dir.iterdir()} <= {"train.jsonl", "test.jsonl", "int8.cache"}


def test_what_is_missing_is_one_clear_line(classifier, data_dir, tmp_path):
    assert "nowhere.xml: no such file" in fails(*quantize("nowhere.xml", data_dir))
    (data_dir / "train.jsonl").unlink()
    assert "train.jsonl: no such file" in fails(*quantize(classifier, data_dir))
    (data_dir / "train.jsonl").write_text('{"review": "good"}\n')
    assert "train.jsonl: not a file of examples" in fails(*quantize(classifier, data_dir))
    onto_itself = run("-m", "infer.quantize", classifier, classifier, "--data_dir", data_dir)
    assert onto_itself.returncode == 2 and "is not that of the model itself" in onto_itself.stderr
    Classifier(classifier)
