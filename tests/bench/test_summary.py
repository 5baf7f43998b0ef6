"""`make bench`: its arithmetic, its page, and that a contender which computes something else ends it."""

import json

import numpy as np
import pytest
from report_build import call, fails

import bench.__main__ as bench
from bench.roofline import count_flops
from bench.summary import TOLERANCE, agreement, best, medians, ratios

POSITIVE = np.array([0.1, 0.9, 0.8, 0.3], np.float32)
LABELS = np.array([0, 1, 0, 0])


def both(positive):
    """Returns probabilities (reviews, 2) from those of the second label."""
    return np.stack([1 - np.asarray(positive), positive], 1).astype(np.float32)


def test_ratios_are_of_each_repeat_by_itself():
    ours = [{"reviews_per_second": 600, "p50": 2}, {"reviews_per_second": 300, "p50": 4}]
    theirs = [{"reviews_per_second": 100, "p50": 10}, {"reviews_per_second": 60, "p50": 12}]
    assert medians(theirs) == {"reviews_per_second": 80, "p50": 11}
    assert ratios(theirs, ours) == {"reviews_per_second": (5.5, 5, 6), "p50": (4, 3, 5)}
    assert ratios(ours, ours) == {"reviews_per_second": (1, 1, 1), "p50": (1, 1, 1)}
    assert best({"": 5, "sorted": 7, "more": 7}) == "sorted"


def test_operations_are_those_of_the_products_that_the_graph_has():
    # q, k and v; scores and context; output; feed-forward; of the last layer k and v, and the rest of [CLS] alone.
    whole = 3 * 2 * 3 * 4 * 4 + 2 * 2 * 3 * 3 * 4 + 2 * 3 * 4 * 4 + 2 * 2 * 3 * 4 * 8
    last = 2 * 2 * 3 * 4 * 4 + 2 * 4 * 4 + 2 * 2 * 1 * 3 * 4 + 2 * 4 * 4 + 2 * 2 * 4 * 8
    config = {"hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 3}
    flop = 2 * whole + last + 2 * 4 * 4  # and the pooler
    assert count_flops(np.array([3]), config) == count_flops(np.array([3, 3]), config) == flop
    assert count_flops(np.array([3, 4]), config) > flop


def test_fewer_reviews_are_compared_with_the_first_of_the_others():
    got = agreement("guide", both(POSITIVE[:3] + 5e-5), both(POSITIVE), LABELS, exact=True)
    assert got["reviews"] == 3 and got["accuracy"] == pytest.approx(2 / 3) and got["labels_that_differ"] == 0
    assert got["largest_difference"] == pytest.approx(5e-5, rel=0.01)


@pytest.mark.parametrize("positive", [[0.1, 0.9, 0.8, 0.302], [0.1, 0.9, 0.8, np.nan], [0.1, 0.9, 0.8, 0.7]])
def test_fp32_has_to_agree(positive):
    with pytest.raises(SystemExit, match="bench: optimum does not compute what openvino does: .* labels differ"):
        agreement("optimum", both(positive), both(POSITIVE), LABELS, exact=True)


def test_a_label_may_differ_only_at_a_tie():
    tie = 0.4 * TOLERANCE
    got = agreement("optimum", both([0.5 + tie, 0.9]), both([0.5 - tie, 0.9]), LABELS, exact=True)
    assert got["labels_that_differ"] == 1


def test_three_labels_are_compared_as_two_are():
    tie = 0.4 * TOLERANCE
    reference = np.float32([[0.2, 0.4 + tie, 0.4 - tie], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    got = agreement("optimum", reference[:, [0, 2, 1]][:1], reference, np.array([1, 0, 1]), exact=True)
    assert got["labels_that_differ"] == 1 and got["accuracy"] == 0
    got = agreement("optimum", reference, reference, np.array([1, 0, 1]), exact=True)
    assert got["labels_that_differ"] == 0 and got["accuracy"] == pytest.approx(2 / 3)
    with pytest.raises(SystemExit, match="bench: optimum does not compute what openvino does: .* 3 of 3 labels differ"):
        agreement("optimum", reference[:, [1, 2, 0]], reference, np.array([1, 0, 1]), exact=True)


def test_int8_is_told_of_not_refused():
    got = agreement("openvino-int8", both([0.1, 0.4, 0.8, 0.3]), both(POSITIVE), LABELS, exact=False)
    assert got["labels_that_differ"] == 1 and got["accuracy"] == 0.5
    assert got["largest_difference"] == pytest.approx(0.5)


@pytest.fixture
def folder(tmp_path):
    """What bench reads of a build: reviews and the peers' tokenizer."""
    for name in ("reviews", "huggingface"):
        (tmp_path / name).mkdir(parents=True)
    rows = [{"review": "a film", "label": int(label), "source": ""} for label in LABELS]
    (tmp_path / "reviews/test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {"do_lower_case": True, "model_max_length": 48}
    (tmp_path / "huggingface/tokenizer_config.json").write_text(json.dumps(config))
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """Stands in for the processes: the reference has 100 reviews/s, the others more the longer their setting's name."""
    answers = {name: POSITIVE for name in bench.CONTENDERS}
    asked = []

    def measure(folder, name, task, count, setting="", cores=2, output=None):
        asked.append((name, task, count, setting))
        cache = (folder / bench.CONTENDERS[name]["model"]).with_suffix(".cache")
        if output:
            np.save(output, both(answers[name][:count]))
        rate = 100 if name == "openvino" else 10 + len(setting)
        curve = {str(point): rate * point for point in (1, 2, 4)}
        found = {
            "throughput": {"reviews_per_second": rate, "peak_memory": 3e8},
            "latency": {"p50": 1 / rate, "p99": 2 / rate},
            "first_answer": {"seconds": 0.5 if cache.exists() else 2.5},
            "tokens": {"texts_per_second": 10 * rate, "sha256": "same" if name != "transformers" else "other"},
            "scale": {"batch": curve, "length": curve},
        }[task]
        if name in ("openvino", "optimum", "optimum-sorted"):
            cache.mkdir(parents=True, exist_ok=True)
        return found

    steps, rows = {"tensorflow": 1.2, "torch": 0.9}, {"fp32": 500, "bf16": 800, "int8": 1000}
    monkeypatch.setattr(bench, "measure", measure)
    monkeypatch.setattr(bench, "measure_step", lambda folder, name: {"step": steps[name]})
    roof = {"flop": 5e8, "fp32": 2e11, "bf16": 4e11, "int8": 1e12}
    monkeypatch.setattr(bench, "measure_roof", lambda folder, count: roof)
    monkeypatch.setattr(bench, "measure_file", lambda folder, precision, given: 6000 / rows[precision])
    measure.answers, measure.asked = answers, asked
    return measure


def arguments(folder, *more):
    return (
        folder,
        f"--output_dir={folder}/out",
        "--reviews=4",
        "--repeats=2",
        "--padded_length=128",
        "--rows=6000",
        *more,
    )


def test_the_page_holds_what_was_measured(folder, measured):
    output = call(bench.main, *arguments(folder))
    assert "2/2 (e) ONNX Runtime: 29.0 reviews/s" in output, "of the settings the fastest was measured"
    assert "2/2 (g) Optimum, OpenVINO: 10.0 reviews/s" in output and "2/2 (g) the same, sorted: 16.0 rev" in output
    results = json.loads((folder / "out/bench.json").read_text())
    assert list(results["contenders"]) == list(bench.CONTENDERS)
    optimum = results["contenders"]["optimum-sorted"]
    assert optimum["tried"] == {} and optimum["setting"]["throughput"] == "sorted"
    assert optimum["ratio"]["reviews_per_second"] == [6.25, 6.25, 6.25] and optimum["ratio"]["p50"][0] == 10
    assert len(optimum["runs"]) == 2
    lines = (folder / "out/bench.md").read_text().splitlines()
    assert any("each setting was tried on 4 reviews and the best one measured" in line for line in lines)
    for row in (
        "| (c) infer | 100.0 | 1.00 | 10.00 | 20.00 | 1.00 | 0.50 | 1.00 | 2.50 | 1.00 | 300 |",
        # It keeps no compiled model, so it always starts cold.
        "| (f) transformers, PyTorch | 10.0 | 10.00 | 100.00 | 200.00 | 10.00 | 2.50 | 5.00 | 2.50 | 1.00 | 300 |",
        "| (g) Optimum, OpenVINO | 10.0 | 10.00 | 100.00 | 200.00 | 10.00 | 0.50 | 1.00 | 2.50 | 1.00 | 300 |",
        "| (g) the same, sorted | 16.0 | 6.25 | 100.00 | 200.00 | 10.00 | 0.50 | 1.00 | 2.50 | 1.00 | 300 |",
    ):
        assert row in lines
    assert "| BertTokenizerFast | 100 | 10.00 | no |" in lines and "| FullTokenizer | 100 | 10.00 | yes |" in lines
    setting = results["contenders"]["onnxruntime"]["setting"]["throughput"]
    assert lines.count(f"| 4 | 400.0 | {4 * (10 + len(setting)):.1f} |") == 2, "by batch size and by length"
    assert (
        "| run_classifier.py, TensorFlow 1.15 | 1.200 | 0.75 |" in lines
        and "| PyTorch, AdamW | 0.900 | 1.00 |" in lines
    )
    assert "A review takes 0.50 GFLOP of matrix products" in "".join(lines)
    assert "| FP32 | 200 | 400 | 25% |" in lines and "| bfloat16 | 400 | 800 | 1% |" in lines
    assert "| FP32 | 6000 | 12 | 500 | 33 |" in lines and "| INT8 | 6000 | 6 | 1000 | 17 |" in lines
    assert (folder / "out/bench.svg").read_bytes().startswith(b"<?xml")
    assert (folder / "out/bench.png").read_bytes().startswith(b"\x89PNG")


def test_every_repeat_measures_every_contender_in_turn(folder, measured):
    call(bench.main, *arguments(folder, "--without_int8"))
    turns = [name for name, task, count, _ in measured.asked if task == "latency"]
    names = [name for name in bench.CONTENDERS if name != "openvino-int8"]
    assert turns[-2 * len(names) :] == names * 2


def test_a_quick_one_has_fewer_contenders_tries_nothing_and_has_a_name_of_its_own(folder, measured):
    call(bench.main, *arguments(folder, "--quick", "--name=quick"))
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        f"quick.{end}" for end in ("json", "md", "png", "svg")
    ]
    results = json.loads((folder / "out/quick.json").read_text())
    assert tuple(results["contenders"]) == bench.QUICK and results["scaling"] == {}
    assert all(contender["tried"] == {} for contender in results["contenders"].values())
    assert results["contenders"]["onnxruntime"]["setting"]["throughput"].startswith("bench/peers/fused,")
    page = (folder / "out/quick.md").read_text()
    assert "How throughput grows" not in page and "](quick.svg)" in page and "nothing was tried" in page


def test_a_contender_that_computes_something_else_leaves_nothing(folder, measured):
    measured.answers["transformers"] = POSITIVE + np.float32(0.01)
    assert fails(bench.main, *arguments(folder)).startswith("bench: transformers does not compute what openvino does")
    assert not (folder / "out").exists()


@pytest.mark.process
def test_a_contender_that_fails_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setitem(bench.CONTENDERS, "openvino", bench.CONTENDERS["openvino"] | {"environment": "report"})
    with pytest.raises(SystemExit, match="bench: openvino, throughput: .*test.jsonl: no such file: "):
        bench.measure(tmp_path, "openvino", "throughput", 4)
