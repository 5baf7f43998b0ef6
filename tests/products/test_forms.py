"""What others read of a real run: Hugging Face's folder by transformers, ONNX by ONNX Runtime, against TensorFlow."""

import json
import subprocess

import numpy as np
import pytest
import yaml
from checkout import FP32, ROOT, answers, clean_environment, make, read_results

from infer.text.tokenizer import load_tokenizer, read_vocab

TINY = "PROFILE=tiny"
LENGTH = 32  # of tiny
TOLERANCE = 1e-5  # in probability
FORMS = ("huggingface", "classifier.onnx")
HARD = [
    "",
    "Ça, c'était un chef-d'œuvre",
    "这部电影 很好",
    "[SEP] [MASK] good",
    "b" * 150 + " " + "c" * 201,
    "a film " * 100,
    "don't--stop...<br />",
]


def read_with(form, texts, tokenizer=None):
    """Returns (labels, float array of probabilities, ids) of Hugging Face's code or ONNX Runtime."""
    words = [ROOT / "tests/products/hugging_face.py", form, tokenizer or form]
    done = subprocess.run(
        [ROOT / ".tox/huggingface/bin/python", *words],
        cwd=ROOT,
        env=clean_environment(),
        input=json.dumps(texts),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["labels"], np.array(found["probabilities"]), found["ids"]


def ids_of(texts, build):
    """Returns the ids that the classifier was trained on, a list for each text, cut, in [CLS] and [SEP]."""
    vocab = read_vocab(build / "pretrained/vocab.txt")
    return [[vocab["[CLS]"], *ids[: LENGTH - 2], vocab["[SEP]"]] for ids in load_tokenizer(vocab)(texts)]


@pytest.fixture(scope="module")
def texts(tiny):
    """200 texts of one line: the run's snippets, pairs of them, most of which are cut, and hard ones."""
    build = tiny / "build/tiny/reviews"
    rows = [json.loads(line)["review"] for name in ("train", "test") for line in open(build / f"{name}.jsonl")]
    rows = [" ".join(row.split()) for row in rows]
    return (HARD + rows + [f"{one} {other}" for one, other in zip(rows, rows[1:], strict=False)])[:200]


@pytest.fixture(scope="module")
def expected(tiny, texts, tmp_path_factory):
    """TensorFlow's probabilities of them, float array (200, 2)."""
    reviews = tmp_path_factory.mktemp("reviews") / "reviews.txt"
    reviews.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    found = "build/tiny/forms/tensorflow/test_results.tsv"
    make(tiny, found, TINY, f"REVIEWS={reviews}", "PREDICTIONS=build/tiny/forms")
    make(tiny, "-j2", "huggingface", "onnx", TINY)
    probabilities = np.loadtxt(tiny / found, delimiter="\t")
    assert len(texts) == 200 and np.ptp(probabilities[:, 0]) > 0.2
    return probabilities


@pytest.mark.parametrize("form", FORMS)
def test_others_answer_what_tensorflow_does(form, tiny, texts, expected):
    build = tiny / "build/tiny"
    labels, probabilities, ids = read_with(build / form, texts, build / "huggingface")
    assert labels == ["Negative", "Positive"]
    assert ids == ids_of(texts, build)
    print(f"{form}: largest difference from TensorFlow: {np.abs(probabilities - expected).max():.2g}")
    np.testing.assert_allclose(probabilities, expected, atol=TOLERANCE, rtol=0)
    np.testing.assert_array_equal(probabilities.argmax(1), expected.argmax(1))


@pytest.mark.more
def test_the_folder_is_a_checkpoint_again(tiny, expected):
    found = make(tiny, "predict", "huggingface", TINY, "CHECKPOINT=build/tiny/huggingface")
    assert "0 labels differ" in found
    build, again = tiny / "build/tiny", tiny / "build/tiny-build-tiny-huggingface"
    make(tiny, "predict", TINY)
    np.testing.assert_allclose(answers(again), answers(build), atol=FP32, rtol=0)
    for name in ("model.safetensors", "config.json", "tokenizer.json", "vocab.txt", "openvino_model.bin"):
        assert (again / "huggingface" / name).read_bytes() == (build / "huggingface" / name).read_bytes(), name


SMALL = """
import sys
from pathlib import Path
import numpy as np
from forms import compute, make_trained
from export.huggingface import write_folder
from export.onnx import build_onnx
from infer.text.tokenizer import load_tokenizer, to_batch
folder = Path(sys.argv[1])
trained = make_trained(["schlecht", "geht so", "gut"], do_lower_case=False)
(folder / "classifier.onnx").write_bytes(build_onnx(trained).SerializeToString())
ids = load_tokenizer({token: i for i, token in enumerate(trained.vocab)}, do_lower_case=False)(sys.argv[2:])
lengths = np.array([len(pieces) for pieces in ids])
features = to_batch(ids, lengths, (2, 3), lengths.max() + 2)
np.save(folder / "expected.npy", compute(trained.classifier, features))
write_folder(trained, folder)
"""


def test_labels_of_other_names_and_number_and_a_cased_vocabulary_travel(tmp_path):
    texts = ["a good film", "A Good film", "it is not a dull, dull plot!", "bad [SEP] films"]
    done = subprocess.run(
        [ROOT / ".tox/openvino-current/bin/python", "-c", SMALL, tmp_path, *texts],
        cwd=ROOT,
        env=clean_environment(PYTHONPATH=".:tests/support"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = np.load(tmp_path / "expected.npy")
    assert np.abs(expected[0] - expected[1]).max() > 0.01, "case counts"
    for form in (tmp_path, tmp_path / "classifier.onnx"):
        labels, probabilities, _ = read_with(form, texts, tmp_path)
        assert labels == ["schlecht", "geht so", "gut"]
        np.testing.assert_allclose(probabilities, expected, atol=TOLERANCE, rtol=0)


def test_the_card_says_what_the_run_was(tiny, expected):
    build = tiny / "build/tiny"
    front, text = (build / "huggingface/README.md").read_text(encoding="utf-8").split("---\n", 2)[1:]
    front, results = yaml.safe_load(front), read_results(build / "result2/eval_results.txt")
    metrics = {metric["name"]: metric["value"] for metric in front["model-index"][0]["results"][0]["metrics"]}
    assert {"eval_accuracy", "eval_loss", "f1_score"} <= {*metrics}
    assert metrics == {name: results[name] for name in metrics}
    assert (build / "result2/eval_by_label.txt").read_text() in text
    record = json.loads((build / "result2.record.json").read_text())
    assert record["git_commit"] is None or record["git_commit"] in text
    weights = json.loads((build / "huggingface.record.json").read_text())["outputs"]
    assert f"`{weights['build/tiny/huggingface/model.safetensors']}`" in text
    assert "of 48 test texts" in text and str(tiny) not in text


def test_nothing_is_made_again_but_what_read_what_changed(tiny, expected):
    assert make(tiny, "huggingface", "onnx", TINY) == "build/tiny/huggingface\nbuild/tiny/classifier.onnx\n"
    assert "all as recorded" in make(tiny, "verify", TINY)
    (tiny / "build/tiny/huggingface/config.json").write_text("{}")
    again = make(tiny, "huggingface", "onnx", TINY)
    assert "huggingface: build/tiny/huggingface/config.json is not as it was made" in again
    assert "export.onnx" not in again and "all as recorded" in make(tiny, "verify", TINY)
