"""python -m infer: the way from a review to its line, and what it refuses."""

import json

import numpy as np
import pytest
from hostile import edited
from modules import fails, run

from infer.__main__ import compare
from infer.guide import load_classifier
from infer.text.labels import write_labels
from infer.text.tokenizer import to_features


def test_probabilities_are_encoder_head_and_softmax(model):
    predict, max_seq_length, labels = load_classifier(model)
    assert max_seq_length == 8 and labels == ["Negative", "Positive"]
    # [CLS] good film [SEP] = 2 + 5 + 7 + 3: logits (0 + 0.1, 17 / 100)
    expected = np.exp([0.1, 0.17]) / np.exp([0.1, 0.17]).sum()
    np.testing.assert_allclose(predict(to_features([5, 7], (2, 3), 8)), expected, rtol=1e-6)


@pytest.mark.process
def test_reviews_as_arguments_file_and_standard_input_are_the_same(model, tmp_path):
    reviews = ["good film", "", "bad, bad film[SEP]", "  "]
    (tmp_path / "reviews.txt").write_text("\n".join(reviews) + "\n")
    given = run("-m", "infer", "-m", model, *reviews)
    assert given.returncode == 0, given.stderr
    assert given.stdout == run("-m", "infer", "-m", model, "-f", tmp_path / "reviews.txt").stdout
    assert given.stdout == run("-m", "infer", "-m", model, "-f", "-", input="\n".join(reviews)).stdout
    lines = given.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("('good film', array([0.48") and lines[0].endswith("], dtype=float32), 'Positive')")


@pytest.mark.process
def test_many_labels_are_a_line_for_each_review_and_a_column_for_each_label(model, tmp_path):
    labels = ['it\'s "so, so"', *(f"label {i}" for i in range(40))]
    np.save(model.parent / "weight.npy", np.arange(82, dtype=np.float32).reshape(41, 2) % 7)
    np.save(model.parent / "bias.npy", np.float32([1, *[0] * 40]))
    write_labels(model.parent, labels)
    predict, *_ = load_classifier(model)
    rows = [predict(to_features(ids, (2, 3), 8)) for ids in ([5, 7], [])]
    lines = run("-m", "infer", "-m", model, "good film", "").stdout.splitlines()
    with np.printoptions(linewidth=9999):
        assert lines == [
            str((review, row, labels[row.argmax()])) for review, row in zip(["good film", ""], rows, strict=True)
        ]
    write_labels(tmp_path, labels)
    example = {"review": "good film", "label": 40, "source": "test"}
    (tmp_path / "test.jsonl").write_text(json.dumps(example) + "\n")
    (tmp_path / "out").mkdir()
    options = ["--vocab_file", model.parent / "pretrained" / "vocab.txt", "--data_dir", tmp_path]
    done = run("-m", "infer.evaluate", "-m", model, *options, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    label, *probabilities = (tmp_path / "out" / "probabilities-1.tsv").read_text().rstrip("\n").split("\t")
    assert label == "40" and np.array_equal(np.float32(probabilities), rows[0])


@pytest.mark.process
def test_what_is_cut_is_said(model):
    done = run("-m", "infer", "-m", model, "good film", "good film " * 9)
    assert len(done.stdout.splitlines()) == 2
    begin = "the reviews: 1 of 2 texts is longer than the 6 WordPieces that the model reads; not read: 60.0% of all"
    reads = "a classifier.xml with --long windows reads them, in 2.0 times as many rows"
    assert done.stderr == f"{begin} WordPieces: {reads}\n"
    assert "--long is not for" in run("-m", "infer", "-m", model, "--long", "windows", "good film").stderr


@pytest.mark.process
def test_no_reviews_given_means_the_guides_four(model):
    lines = run("-m", "infer", "-m", model).stdout.splitlines()
    assert len(lines) == 4 and lines[0].startswith("('That movie was absolutely awful', array([")


@pytest.mark.process
def test_reference_that_agrees_and_one_that_does_not(model, tmp_path):
    predict, *_ = load_classifier(model)
    probabilities = predict(to_features([5, 7], (2, 3), 8))
    good, bad = tmp_path / "good.tsv", tmp_path / "bad.tsv"
    good.write_text("\t".join(map(str, probabilities)) + "\n")
    bad.write_text("\t".join(map(str, probabilities + np.float32([2e-4, -2e-4]))) + "\n")
    done = run("-m", "infer", "-m", model, "--reference", good, "good film")
    assert done.returncode == 0 and "largest difference from TensorFlow: 0" in done.stdout, done.stderr
    assert "more than 0.0001" in fails("-m", "infer", "-m", model, "--reference", bad, "good film")
    assert "not these 2" in fails("-m", "infer", "-m", model, "--reference", good, "good film", "bad film")


def test_another_label_is_an_error_however_small_the_difference(tmp_path):
    (tmp_path / "reference.tsv").write_text("0.50001\t0.49999\n")
    assert compare(np.float32([[0.50002, 0.49998]]), tmp_path / "reference.tsv").endswith("0 labels differ")
    with pytest.raises(SystemExit, match="1e-05 on 1 reviews, 1 labels differ: more than 0.0001"):
        compare(np.float32([[0.499999, 0.500001]]), tmp_path / "reference.tsv")


@pytest.mark.process
def test_the_casing_beside_the_vocab_is_used(model):
    config = model.parent / "pretrained" / "tokenizer_config.json"
    lines = {}
    for do_lower_case in (True, False):
        config.write_text(json.dumps({"do_lower_case": do_lower_case}))
        lines[do_lower_case] = run("-m", "infer", "-m", model, "Good FILM").stdout
    assert lines[True] != lines[False] == run("-m", "infer", "-m", model, "--cased", "Good FILM").stdout
    config.write_text('{"do_lower_case": 1}')
    assert "cannot read do_lower_case from it" in fails("-m", "infer", "-m", model, "good film")


@pytest.mark.process
def test_evaluate_writes_labels_and_probabilities_as_often_as_asked(model, tmp_path):
    rows = [("good film", 1), ("bad, bad film", 0)]
    with open(tmp_path / "test.jsonl", "w") as file:
        for review, label in rows:
            file.write(json.dumps({"review": review, "label": label, "source": "test"}) + "\n")
    (tmp_path / "out").mkdir()
    vocab_file = model.parent / "pretrained" / "vocab.txt"
    options = ["--vocab_file", vocab_file, "--data_dir", tmp_path, "--repeats=2"]
    done = run("-m", "infer.evaluate", "-m", model, *options, tmp_path / "out")
    assert done.returncode == 0 and "4/4" in done.stderr, done.stderr
    labels, *probabilities = np.loadtxt(tmp_path / "out" / "probabilities-1.tsv", np.float32).T
    assert labels.tolist() == [1, 0]
    predict, *_ = load_classifier(model)
    np.testing.assert_array_equal(np.transpose(probabilities)[0], predict(to_features([5, 7], (2, 3), 8)))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"probabilities-1.tsv", "probabilities-2.tsv"}


@pytest.mark.process
def test_bad_input_is_one_clear_line(model, tmp_path):
    infer = ("-m", "infer", "-m", model)
    assert "the devices here are CPU" in fails(*infer, "-d", "GPU.9")
    assert "nowhere.xml: no such file" in fails("-m", "infer", "-m", model.with_name("nowhere.xml"))
    assert "cannot load the extension" in fails(*infer, "-l", tmp_path / "libcpu_extension.so")
    (tmp_path / "latin1.txt").write_bytes("good\ncaf\xe9\n".encode("latin-1"))
    assert "latin1.txt: line 2 is not UTF-8" in fails(*infer, "-f", tmp_path / "latin1.txt")
    assert "nowhere.txt: cannot read the reviews" in fails(*infer, "-f", tmp_path / "nowhere.txt")
    (tmp_path / "empty.txt").touch()
    assert "empty.txt: no reviews in it" in fails(*infer, "-f", tmp_path / "empty.txt")


@pytest.mark.process
def test_broken_ir_is_one_clear_line(model):
    infer = ("-m", "infer", "-m", model)
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    assert "bert-finetune.xml: not the IR of this encoder, or broken" in fails(*infer)
    model.write_bytes(whole.replace(b"IteratorGetNext:3", b"Placeholder_2:0"))
    assert "bert-finetune.xml: not the IR of this encoder, or broken" in fails(*infer)
    model.write_bytes(whole)
    model.with_suffix(".bin").unlink()
    assert "bert-finetune.bin: no such file" in fails(*infer)


@pytest.mark.process
def test_broken_head_is_one_clear_line(model):
    infer = ("-m", "infer", "-m", model)
    weight = model.parent / "weight.npy"
    np.save(weight, np.zeros((2, 5), np.float32))
    assert "they belong to different models" in fails(*infer)
    np.save(weight, np.array([[object()]]), allow_pickle=True)
    assert "weight.npy: cannot read the classifier head" in fails(*infer)
    np.save(weight, np.zeros((2, 2)))
    assert "float64 of shape (2, 2) is not a classifier head" in fails(*infer)
    weight.unlink()
    assert "weight.npy: cannot read the classifier head" in fails(*infer)


@pytest.mark.process
def test_a_model_that_computes_nan_is_one_clear_line(model):
    weights = model.with_suffix(".bin")
    assert np.float32(100).tobytes() in weights.read_bytes()
    edited(weights, (np.float32(100).tobytes(), np.float32("nan").tobytes()))
    assert "bert-finetune.xml: it computes what is NaN or infinite" in fails("-m", "infer", "-m", model, "good")
