"""INT8 keeps the accuracy that was asked for and all that the classifier knows, or nothing is written."""

import json
import os
import re

import numpy as np
import openvino as ov
import pytest
from modules import fails, run
from small import HEADS, HIDDEN, LENGTH, WORDS, random_weights, save_network

from infer import Classifier
from infer import quantize as module
from infer.bert import build_classifier

pytestmark = pytest.mark.process
MAX_DROP = "--max_drop=0.1"  # of a model this small, INT8's error is large
SPOILT = 1000
NO_LAYER = "no layer can be INT8 if its probabilities are to be within -1 of FP32's: keep FP32"


def draw_weights():
    """Weights with which the words make the answer: little but attention's values, dense layers and words count."""
    random = np.random.default_rng(5)
    large = ("word_embeddings", "value/kernel", "output/dense/kernel", "pooler/dense/kernel")
    return {
        name: random.normal(name.endswith("gamma"), 0.5 if name.endswith(large) else 0.1, array.shape)
        for name, array in random_weights().items()
    }


def spoil_pooler(weights):
    """The pooler's bias comes in by a large weight: in INT8 its scale leaves nothing of the others, in FP32 all."""
    norm = "encoder/layer_1/output/LayerNorm"
    weights[f"{norm}/gamma"][0], weights[f"{norm}/beta"][0] = 0, 1
    weights["pooler/dense/kernel"][0] = SPOILT
    weights["pooler/dense/bias"] -= SPOILT


def draw_texts(count):
    random = np.random.default_rng(count)
    return [" ".join(random.choice(WORDS, random.integers(LENGTH // 2, LENGTH))) for _ in range(count)]


def write(folder, weights, head):
    network = build_classifier({name: np.float32(array) for name, array in weights.items()}, HEADS, head)
    save_network(network, folder / "classifier.xml")
    return Classifier(folder / "classifier.xml")


def build(folder, spoil=lambda weights: None):
    """Writes a classifier whose answers are spread around a tie, and reviews with its labels; returns its path."""
    weights = draw_weights()
    spoil(weights)
    rows = np.random.default_rng(1).normal(size=(2, HIDDEN)).astype(np.float32)
    texts = {"train": draw_texts(400), "test": draw_texts(200)}
    logits = np.log(write(folder, weights, (rows, np.zeros(2, np.float32))).predict_window(texts["train"]))
    lead = logits[:, 1] - logits[:, 0]
    scale = 1 / lead.std()
    model = write(folder, weights, (scale * rows, np.float32([scale * np.median(lead), 0])))
    for split, reviews in texts.items():
        lines = [
            json.dumps({"review": review, "label": int(label), "source": ""}) + "\n"
            for review, label in zip(reviews, model.predict_window(reviews).argmax(1), strict=True)
        ]
        (folder / f"{split}.jsonl").write_text("".join(lines))
    return folder / "classifier.xml"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return build(tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def data_dir(classifier, tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_bytes(classifier.with_name(f"{split}.jsonl").read_bytes())
    return tmp_path


def quantize(classifier, data_dir, *flags):
    return "-m", "infer.quantize", classifier, data_dir / "int8.xml", "--data_dir", data_dir, *flags


def accuracies(classifier, data_dir, *flags):
    """Quantises; returns the accuracy of FP32 and of INT8 on the test reviews."""
    done = run(*quantize(classifier, data_dir, *flags))
    assert done.returncode == 0, done.stderr
    return [float(line.split()[2].rstrip(",")) for line in (data_dir / "results.txt").read_text().splitlines()[:2]]


def fake_quantizers(network):
    return sum(node.get_type_name() == "FakeQuantize" for node in network.get_ops())


def fp32_layers(network):
    """Returns the MatMuls whose weights are in FP32."""
    products = [node for node in network.get_ops() if node.get_type_name() == "MatMul"]
    weights = [node.input_value(1).get_node() for node in products]
    return [
        node
        for node, constant in zip(products, weights, strict=True)
        if constant.get_type_name() == "Constant" and constant.get_element_type() == ov.Type.f32
    ]


def test_int8_is_a_classifier_of_about_half_the_size_or_less(classifier, data_dir):
    done = run(*quantize(classifier, data_dir, MAX_DROP))
    assert done.returncode == 0, done.stderr
    assert "train.jsonl: 400 reviews: 200 calibrate INT8 and 200 choose its layers, where 300 and 1000" in done.stdout
    fp32, int8, ratio = (data_dir / "results.txt").read_text().splitlines()
    assert fp32.startswith("FP32: accuracy ") and int8.startswith("INT8: accuracy ")
    assert ratio.startswith("INT8, 0 of 14 layers left in FP32, is ")
    (times,) = re.findall(r" is ([\d.]+) times as fast as FP32 here", ratio)
    assert ratio.endswith("on this CPU INT8 is no faster, use FP32") == (float(times) <= 1)
    assert (data_dir / "int8.bin").stat().st_size < 0.6 * classifier.with_suffix(".bin").stat().st_size
    texts = draw_texts(100)
    fast, plain = (Classifier(path).predict_window(texts) for path in (data_dir / "int8.xml", classifier))
    assert 0 < np.abs(fast - plain).mean() < 0.1
    # Calibration sees no padding, and the mask has to hide it all the same.
    short, long = " ".join(texts[0].split()[: LENGTH // 2]), "good " * LENGTH
    model = Classifier(data_dir / "int8.xml")
    np.testing.assert_allclose(model.predict_window([short, long])[0], model.predict_window([short])[0], atol=0.02)


def test_accuracy_control_leaves_in_fp32_the_layer_that_int8_spoils_and_no_other(tmp_path):
    classifier = build(tmp_path, spoil_pooler)
    assert accuracies(classifier, tmp_path, "--max_drop=1")[1] < 0.75, "INT8 throughout has lost the answer"
    plain = ov.Core().read_model(tmp_path / "int8.xml")
    assert not fp32_layers(plain)
    fp32, int8 = accuracies(classifier, tmp_path, MAX_DROP)
    assert fp32 == 1 and int8 >= 0.9
    network = ov.Core().read_model(tmp_path / "int8.xml")
    (layer,) = fp32_layers(network)
    (bias,) = layer.output(0).get_target_inputs()
    (activation,) = bias.get_node().output(0).get_target_inputs()
    assert activation.get_node().get_type_name() == "Tanh", "the pooler's, the only one"
    assert 0 < fake_quantizers(network) < fake_quantizers(plain)
    assert "INT8, 1 of 14 layers left in FP32, is " in (tmp_path / "results.txt").read_text()


def test_layers_are_chosen_in_fp32_and_by_training_reviews_alone(classifier, data_dir, monkeypatch):
    """In the precision in which the classifier answers, whatever this CPU would take by itself."""
    (data_dir / "test.jsonl").unlink()
    precisions, closeness = [], module.closeness

    def watched(compiled, batches):
        precisions.append(compiled.get_property("INFERENCE_PRECISION_HINT"))
        return closeness(compiled, batches)

    monkeypatch.setattr(module, "closeness", watched)
    assert fake_quantizers(module.quantize(classifier, data_dir, 0.1))
    compiled = Classifier(classifier, hint="latency")._compiled["latency"]
    precisions.append(compiled.model.get_property("INFERENCE_PRECISION_HINT"))
    assert len(precisions) >= 3 and {*precisions} == {ov.Type.f32}


@pytest.mark.parametrize("count, calibration, choice", [(2, 1, 1), (64, 32, 32), (1000, 300, 700), (5000, 300, 1000)])
def test_reviews_that_choose_are_others_than_those_that_calibrate(count, calibration, choice, tmp_path, capsys):
    rows = [json.dumps({"review": str(i), "label": 0, "source": ""}) + "\n" for i in range(count)]
    (tmp_path / "train.jsonl").write_text("".join(rows))
    calibrate, choose = module.split_reviews(tmp_path / "train.jsonl")
    assert (len({*calibrate}), len({*choose})) == (calibration, choice) and not {*calibrate} & {*choose}
    said = capsys.readouterr().out
    assert (f"{count} reviews: {calibration} calibrate INT8 and {choice} choose" in said) == (choice < 1000)


def test_the_model_by_another_name_is_not_written_into(classifier, data_dir):
    before = classifier.with_suffix(".bin").read_bytes()
    for suffix in (".xml", ".bin"):
        os.link(classifier.with_suffix(suffix), data_dir / f"int8{suffix}")
    done = run(*quantize(classifier, data_dir, MAX_DROP))
    assert done.returncode == 0, done.stderr
    assert classifier.with_suffix(".bin").read_bytes() == before
    assert (data_dir / "int8.bin").stat().st_size < len(before)
    Classifier(classifier)


def test_a_loss_that_is_no_number_is_refused(classifier, data_dir):
    done = run(*quantize(classifier, data_dir, "--max_drop=nan"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("--max_drop nan: must be a number, such as 0.005\n")


@pytest.mark.more
def test_if_every_layer_has_to_stay_in_fp32_nothing_is_written(classifier, data_dir):
    """Less than no loss is asked for, which not even that gives."""
    done = run(*quantize(classifier, data_dir, "--max_drop=-1"))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == NO_LAYER
    assert {path.name for path in data_dir.iterdir()} == {"train.jsonl", "test.jsonl"}


def test_accuracy_that_test_reviews_deny_leaves_nothing(classifier, data_dir):
    """Of reviews that INT8 labels otherwise than FP32, and training did not show."""
    done = run(*quantize(classifier, data_dir, MAX_DROP))
    assert done.returncode == 0, done.stderr
    texts = draw_texts(2000)
    fp32, int8 = (Classifier(path).predict_window(texts).argmax(1) for path in (classifier, data_dir / "int8.xml"))
    rows = [{"review": texts[i], "label": int(fp32[i]), "source": ""} for i in np.flatnonzero(fp32 != int8)]
    assert rows
    denied = data_dir / "denied"
    denied.mkdir()
    (data_dir / "train.jsonl").rename(denied / "train.jsonl")
    (denied / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = fails(*quantize(classifier, denied, MAX_DROP))
    assert line.startswith(
        "INT8, 0 of 14 layers left in FP32, costs 1.0000 of accuracy on the test reviews, more than 0.1"
    )
    assert {path.name for path in denied.iterdir()} <= {"train.jsonl", "test.jsonl", "int8.cache"}


def test_what_is_missing_is_one_clear_line(classifier, data_dir):
    assert "nowhere.xml: no such file" in fails(*quantize("nowhere.xml", data_dir))
    (data_dir / "train.jsonl").write_text("")
    assert "train.jsonl: no reviews in it" in fails(*quantize(classifier, data_dir))
    (data_dir / "train.jsonl").write_text('{"review": "good", "label": 1}\n')
    assert "train.jsonl: 1 review: give at least 2" in fails(*quantize(classifier, data_dir))
    (data_dir / "train.jsonl").write_text('{"review": "good"}\n')
    assert "train.jsonl: not a file of examples" in fails(*quantize(classifier, data_dir))
    (data_dir / "train.jsonl").unlink()
    assert "train.jsonl: no such file" in fails(*quantize(classifier, data_dir))
    (data_dir / "test.jsonl").write_text("")
    assert "test.jsonl: no reviews in it" in fails(*quantize(classifier, data_dir))
    onto_itself = run("-m", "infer.quantize", classifier, classifier, "--data_dir", data_dir)
    assert onto_itself.returncode == 2 and "is not that of the model itself" in onto_itself.stderr
    Classifier(classifier)
