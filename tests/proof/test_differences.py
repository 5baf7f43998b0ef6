"""What differs between a file and the same made again is told, and what two runs never have alike is not."""

import array

import pytest

from proof.differences import differ, stable_name


def write(folder, name, data):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return str(folder / name)


def compare(tmp_path, name, old, new):
    return differ(name, write(tmp_path / "old", name, old), write(tmp_path / "new", name, new))


LOG = "[ SUCCESS ] XML file: {}/build/tiny/ir.part/bert-finetune.xml\n[ SUCCESS ] Generated {}.\n"
SPEED = "FP32: accuracy 0.82{}, 90.9 MB, {} reviews/s\nINT8 is {} times as fast as FP32 here{}\n"
NODE = '<layer id="3" name="{}" type="Const">\n<sha256 value="{}" />\n<data offset="{}" />\n'
CARD = "- by TensorFlow 1.15.0, at\n  commit `{}`{}.\naccuracy {}\n"
DIRTY, ONE, TWO = ", with changes that are in no commit", "a" * 64, "b" * 64


@pytest.mark.parametrize(
    "name, text, old, new, other",
    [
        ("mo.log", LOG, ("/home/a", "IR"), ("/home/b/c", "IR"), ("/home/a", "nothing")),
        ("int8/results.txt", SPEED, (7, 360.8, 2.98, ""), (7, 9.1, 0.8, ": use FP32"), (6, 360.8, 2.98, "")),
        ("int8/classifier.xml", NODE, ("Constant_1", ONE, 0), ("Constant_22", TWO, 0), ("Constant_1", ONE, 4)),
        ("huggingface/README.md", CARD, ("4f", "", 0.8), ("None", DIRTY, 0.8), ("4f", "", 0.9)),
    ],
)
def test_of_what_is_never_alike_the_rest_counts(name, text, old, new, other, tmp_path):
    assert compare(tmp_path, name, text.format(*old), text.format(*new)).text == ""
    assert compare(tmp_path, name, text.format(*old), text.format(*other)).text


def test_elsewhere_the_same_change_counts(tmp_path):
    assert compare(tmp_path, "classifier.xml", NODE.format("A_1", "a" * 64, 0), NODE.format("A_2", "a" * 64, 0)).text
    assert compare(tmp_path, "result2/results.txt", "1.0 reviews/s", "2.0 reviews/s").text


def test_metrics_are_told_by_name_and_by_how_much(tmp_path):
    found = compare(tmp_path, "eval_results.txt", "accuracy = 0.82\nloss = 0.5\n", "accuracy = 0.82\nloss = 0.75\n")
    assert found.text == "loss = 0.5 is 0.75" and found.amount == 0.25


def test_probabilities_are_told_by_the_largest_difference_and_the_labels(tmp_path):
    found = compare(tmp_path, "test_results.tsv", "0.9\t0.1\n0.45\t0.55\n", "0.9\t0.1\n0.55\t0.45\n")
    assert found.amount == pytest.approx(0.1) and found.labels == 1
    assert found.text == "numbers by up to 1.0e-01, 1 labels"
    found = compare(tmp_path, "openvino.txt", "('a 4', array([0.9, 1e-01]), 'B')", "('a 4', array([0.9, 2e-01]), 'B')")
    assert found.amount == pytest.approx(0.1) and found.labels == 0


def test_other_words_have_no_amount(tmp_path):
    found = compare(tmp_path, "openvino.txt", "('a', [0.9, 0.1], 'Negative')\n", "('a', [0.1, 0.9], 'Positive')\n")
    assert found.text == "1 lines" and found.amount is None
    assert compare(tmp_path, "labels.txt", "a\nb\n", "a\nb\nc\n")[1:3] == ("1 lines", None)


def test_weights_are_told_by_bytes_and_the_largest_difference(tmp_path):
    old, new = (array.array("f", numbers).tobytes() for numbers in ([1.0, 2.0, 3.0], [1.0, 2.5, 3.0]))
    found = compare(tmp_path, "bert-finetune.bin", old, new)
    assert found.text == "1 of 12 bytes, up to 5.0e-01" and found.amount == 0.5
    header = b"\x93NUMPY\1\0" + (118).to_bytes(2, "little") + b"{'descr'".ljust(118)
    assert compare(tmp_path, "weight.npy", header + old, header + new).amount == 0.5
    assert compare(tmp_path, "weight.npy", header + old, header.replace(b"descr", b"DESCR") + new).amount is None
    nan = array.array("f", [1.0, float("nan"), 3.0]).tobytes()
    assert compare(tmp_path, "bert-finetune.bin", old, nan).amount is None
    assert compare(tmp_path, "bert-finetune.bin", old, new[:8]).amount is None


def test_an_event_file_is_found_again_by_its_folder():
    assert stable_name("build/tiny/result1/eval/events.out.tfevents.1795690661.vm") == (
        "build/tiny/result1/eval/events.out.tfevents"
    )
    assert stable_name("build/tiny/mo.log") == "build/tiny/mo.log"
