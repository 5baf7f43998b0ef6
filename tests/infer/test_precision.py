"""What a precision costs on this machine: measured on the probes in the classifier, said, and what auto goes by."""

import json
import shutil

import numpy as np
import openvino as ov
import pytest
from modules import fails, run
from small import LENGTH, random_texts

from infer import Classifier
from infer import precision as module
from infer.classifier import int8_of
from infer.compiled import find_device
from infer.ir import INFO, ORIGIN, read_info, read_seal, save_classifier
from infer.precision import EXACT, Cost, check_machine, fastest, read_probes
from infer.text.tokenizer import WINDOW

HAS_BFLOAT16 = find_device(ov.Core(), "CPU")[1]


@pytest.fixture
def copied(classifier, tmp_path):
    """The path of a copy of the classifier, without a cache."""
    for suffix in (".xml", ".bin"):
        shutil.copy(classifier.with_suffix(suffix), tmp_path)
    return tmp_path / "classifier.xml"


def add_int8(model, off=0.0, origin=None):
    """Plays `make int8`: the same numbers with an operation of INT8's in them that rounds, or moves, the answer."""
    network = ov.Core().read_model(model)
    (result,) = network.get_results()
    probabilities = result.input_value(0)
    low, high = (ov.opset13.constant(np.float32(value)) for value in (off, 1 + off))
    rounded = ov.opset13.fake_quantize(
        probabilities, *(ov.opset13.constant(np.float32(i)) for i in (0, 1)), low, high, 256
    )
    result.input(0).replace_source_output(rounded.output(0))
    network.set_rt_info(origin or read_seal(model), [INFO, ORIGIN])
    int8_of(model).parent.mkdir()
    save_classifier(network, int8_of(model))


def spoil_probes(model, change):
    """Rewrites the FP32 probabilities of the probes, and seals it: as if made on a machine that computes otherwise."""
    network = ov.Core().read_model(model)
    probes = json.loads(network.get_rt_info(["classifier", "probes"]).astype(str))
    probes["probabilities"] = change(np.array(probes["probabilities"])).tolist()
    network.set_rt_info(json.dumps(probes), ["classifier", "probes"])
    other = model.with_name("other.xml")
    save_classifier(network, other)
    for suffix in (".xml", ".bin"):
        other.with_suffix(suffix).replace(model.with_suffix(suffix))


def test_probes_have_the_probabilities_of_fp32(classifier):
    model = Classifier(classifier)
    texts, probabilities = read_probes(read_info(classifier)[0], 2)
    np.testing.assert_allclose(model.predict_window(texts), probabilities, atol=1e-6)
    assert len(texts) == 48 and "The film was creative and surprising" in texts
    assert np.ptp(probabilities[:, 0]) > 0.2 and len({*probabilities.argmax(1)}) == 2, "a change would show"


@pytest.mark.parametrize("hint", ["latency", "throughput"])
def test_a_machine_that_computes_fp32_wrongly_is_found_at_the_first_start(copied, hint):
    Classifier(copied, hint=hint)
    spoil_probes(copied, lambda probabilities: probabilities + 2 * EXACT)
    with pytest.raises(ValueError, match="FP32 is computed wrongly here: probabilities differ by 0.0002"):
        Classifier(copied, hint=hint)
    with pytest.raises(ValueError, match="FP32 is computed wrongly here"):
        Classifier(copied).predict_window(["good"])


@pytest.mark.parametrize("off", [2 * EXACT, np.nan, np.inf])
def test_what_is_no_number_is_wrong_too(off):
    probes = ["good"] * 9, np.full((9, 2), 0.5)
    check_machine(lambda texts: np.full((len(texts), 2), 0.5 + EXACT / 2), probes)
    with pytest.raises(ValueError, match="computed wrongly"):
        check_machine(lambda texts: np.full((len(texts), 2), 0.5 + off), probes)


@pytest.mark.parametrize(
    "value", [None, "{", "[]", '{"texts": [], "probabilities": []}', '{"texts": [1], "probabilities": [[0, 1]]}']
)
def test_a_classifier_without_its_probes_is_refused(copied, value):
    network = ov.Core().read_model(copied)
    network.set_rt_info(value or "", ["classifier", "probes"])
    save_classifier(network, copied.with_name("other.xml"))
    with pytest.raises(
        ValueError, match="not a classifier, or broken: (no probes in its rt_info|its probes make no sense)"
    ):
        Classifier(copied.with_name("other.xml"))


def assert_few_lengths(model):
    lengths = {features[0].shape[1] for _, features in model.batches(random_texts(WINDOW))}
    assert len(lengths) > 1 and all(length % 4 == 0 or length == LENGTH for length in lengths)


def test_bfloat16_is_close_where_the_cpu_has_it_and_fp32_with_a_warning_where_not(classifier, monkeypatch, caplog):
    texts = random_texts(300)
    exact = Classifier(classifier).predict_window(texts)
    model = Classifier(classifier, precision="bf16")
    if HAS_BFLOAT16:
        assert model.precision == "bf16" and not caplog.records
        assert 1e-5 < np.abs(model.predict_window(texts) - exact).max() < 0.05
        assert_few_lengths(model)
    monkeypatch.setattr("infer.classifier.find_device", lambda core, name: ("This CPU", False))
    model = Classifier(classifier, precision="bf16")
    assert model.precision == "fp32" and "This CPU has no bfloat16: FP32 instead" in caplog.text
    caplog.clear()
    assert Classifier(classifier).precision == "fp32" and not caplog.records, "who did not ask is not warned"
    np.testing.assert_allclose(model.predict_window(texts), exact, atol=1e-6)


def test_int8_is_that_beside_the_classifier_and_of_it(copied):
    with pytest.raises(FileNotFoundError, match="int8/classifier.xml: no such file: make it with `make int8`"):
        Classifier(copied, precision="int8")
    add_int8(copied)
    model = Classifier(copied, precision="int8")
    assert (model.precision, model.path) == ("int8", int8_of(copied))
    texts = random_texts(100)
    answers = model.predict_window(texts)
    np.testing.assert_allclose(answers * 255, np.rint(answers * 255), atol=1e-3)
    assert Classifier(int8_of(copied)).precision == "int8", "by its own path as well"
    assert_few_lengths(model)
    for origin in ("0" * 64, "f" * 64):
        shutil.rmtree(copied.parent / "int8")
        add_int8(copied, origin=origin)
        with pytest.raises(ValueError, match="int8/classifier.xml: not made of .*classifier.xml: make it again"):
            Classifier(copied, precision="int8")


def test_there_is_no_other_precision(classifier):
    with pytest.raises(ValueError, match="precision 'fp16': choose one of fp32, bf16, int8, auto"):
        Classifier(classifier, precision="fp16")


COSTS = {
    "fp32": Cost(0, 0, 100, 0.002),
    "bf16": Cost(0.01, 0, 200, 0.003),
    "int8": Cost(0.02, 1, 400, 0.001),
}


@pytest.mark.parametrize(
    "changes, tolerance, hint, expected",
    [
        ({}, 0.05, None, "bf16"),
        ({}, 0.05, "throughput", "bf16"),
        ({}, 0.05, "latency", "fp32"),
        ({}, 0.005, None, "fp32"),
        ({"int8": Cost(0.02, 0, 400, 0.001)}, 0.05, None, "int8"),
        ({"int8": Cost(0.02, 0, 400, 0.001)}, 0.05, "latency", "int8"),
        ({"int8": Cost(0.06, 0, 400, 0.001)}, 0.05, None, "bf16"),
        ({"bf16": Cost(np.nan, 0, 200, 0.001)}, 0.05, None, "fp32"),
        ({"fp32": Cost(1, 0, 100, 0.002)}, 0.005, None, "fp32"),
    ],
)
def test_auto_takes_the_fastest_that_changes_no_label_and_no_probability_by_much(changes, tolerance, hint, expected):
    assert fastest(COSTS | changes, tolerance, hint) == expected


def test_auto_measures_once_for_each_model_and_tolerance(copied, monkeypatch, caplog):
    measured = []

    def measure(classifiers, probes):
        measured.append(sorted(classifiers))
        return {name: COSTS["bf16" if name == "int8" else "fp32"] for name in classifiers}

    monkeypatch.setattr("infer.classifier.measure", measure)
    assert Classifier(copied, precision="auto").precision == "fp32"
    add_int8(copied)
    for _ in range(2):
        assert Classifier(copied, precision="auto").precision == "int8"
    assert Classifier(copied, precision="auto", tolerance=0.001).precision == "fp32"
    some = ["bf16"] * HAS_BFLOAT16
    assert measured == [[*some, "fp32"], [*some, "fp32", "int8"], [*some, "fp32", "int8"]]
    (copied.parent / "classifier.cache/auto.json").write_text("{")
    assert Classifier(copied, precision="auto").precision == "int8" and len(measured) == 4
    shutil.rmtree(copied.parent / "int8")
    add_int8(copied, origin="1" * 64)
    assert Classifier(copied, precision="auto").precision == "fp32" and "not made of" in caplog.text
    monkeypatch.setattr("infer.classifier.find_device", lambda core, name: ("This CPU", False))
    assert Classifier(copied, precision="auto").precision == "fp32"
    assert measured[4:] == [[*some, "fp32"], ["fp32"]]


def test_what_is_measured_is_against_the_probes(copied):
    add_int8(copied, off=0.125)
    costs = {}
    for name in ("fp32", "int8"):
        model = Classifier(copied, precision=name)
        costs |= module.measure({name: model}, model._probes)
    assert costs["fp32"].deviation < 1e-6 and costs["fp32"].changed == 0
    assert abs(costs["int8"].deviation - 0.125) < 1 / 255 and costs["int8"].changed == 0, "both labels are moved alike"
    assert all(cost.texts_per_second > 1 / cost.seconds > 0 for cost in costs.values())


class Playing:
    """Plays a Classifier on a clock of its own: half a second for a call, and as much for each text."""

    now = 100.0

    def __init__(self, probabilities):
        self.probabilities = np.array(probabilities)

    def predict_window(self, texts):
        Playing.now += 0.5 + 0.5 * len(texts)
        return self.probabilities[: len(texts)]


def test_costs_are_what_the_clock_says_and_each_label_that_changes(monkeypatch):
    monkeypatch.setattr("infer.precision.time.perf_counter", lambda: Playing.now)
    expected = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    changed = [[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.3, 0.7]]
    costs = module.measure({"fp32": Playing(expected), "int8": Playing(changed)}, (["good"] * 4, expected))
    assert costs == {"fp32": Cost(0, 0, 4 / 2.5, 1), "int8": Cost(0.5, 2, 4 / 2.5, 1)}


@pytest.mark.process
def test_the_command_says_what_each_costs_and_what_auto_takes(copied):
    add_int8(copied, off=0.125)
    done = run("-m", "infer", "check", "-m", copied, "--tolerance=0.2")
    assert done.returncode == 0, done.stderr
    head, *rows, last = done.stdout.splitlines()
    assert head.split() == "precision largest deviation labels changed texts/s one text, ms".split()
    assert [row.split()[0] for row in rows] == ["fp32", *["bf16"] * HAS_BFLOAT16, "int8"]
    assert float(rows[0].split()[1]) < 1e-6 and rows[-1].split()[1:3] == ["0.13", "0"]
    assert last.endswith("no probe's label changes, and no probability by more than 0.2")
    strict = run("-m", "infer", "check", "-m", copied).stdout.splitlines()[-1]
    assert strict.startswith(("auto is fp32", "auto is bf16"))
    spoil_probes(copied, lambda probabilities: probabilities[:, ::-1])
    stale, line = run("-m", "infer", "check", "-m", copied).stderr.splitlines()
    assert "int8/classifier.xml: not made of" in stale and line.startswith("FP32 is computed wrongly here")
    shutil.rmtree(copied.parent / "int8")
    line = fails("-m", "infer", "check", "-m", copied)
    assert line.startswith("FP32 is computed wrongly here")
    assert "nowhere.xml: no such file" in fails("-m", "infer", "check", "-m", "nowhere.xml")


@pytest.mark.process
def test_commands_take_a_precision_and_say_what_auto_is(copied, tmp_path):
    add_int8(copied)
    done = run("-m", "infer", "-m", copied, "--precision", "int8", "good film")
    exact = run("-m", "infer", "-m", copied, "good film")
    assert done.stdout != exact.stdout and exact.stderr == done.stderr == ""
    automatic = run("-m", "infer", "-m", copied, "--precision", "auto", "good film")
    assert automatic.stderr in (
        f"{copied}: computes in fp32\n",
        *(f"{path}: computes in {name}\n" for path, name in ((copied, "bf16"), (int8_of(copied), "int8"))),
    )
    (tmp_path / "in.txt").write_text("good film\nbad\n")
    score = "-m", "infer", "score", "-m", copied, tmp_path / "in.txt"
    for name, precision in (("a.txt", "fp32"), ("b.txt", "int8")):
        assert run(*score, tmp_path / name, "--precision", precision).returncode == 0
    assert (tmp_path / "a.txt").read_text() != (tmp_path / "b.txt").read_text()
