"""One temperature: that which labels were drawn at is found, it changes none, and is refused where nothing tells it."""

import json

import numpy as np
import pytest
from fuzzing import given, st

from infer.head import softmax
from infer.temperature import (
    HIGHEST,
    LOWEST,
    bin_of,
    compare,
    find_temperature,
    fold,
    heat,
    measure,
    read_found,
    write_table,
)


def draw(temperature, count=8_000, labels=2, spread=4):
    """Returns (logits, labels that are drawn from their softmax at a temperature)."""
    random = np.random.default_rng(0)
    logits = random.normal(scale=spread * temperature, size=(count, labels))
    chances = softmax(logits / temperature).cumsum(axis=1)
    return logits, (random.random((count, 1)) > chances).sum(axis=1)


def loss_at(logits, labels, temperature):
    return measure(labels, softmax(logits / temperature))["loss"]


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("temperature", [0.4, 1, 1.8, 6])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature, labels):
    logits, ids = draw(temperature, labels=labels)
    found = find_temperature(logits, ids)
    assert found == pytest.approx(temperature, rel=0.05)
    assert measure(ids, softmax(logits / found))["ECE"] < 0.01
    losses = [loss_at(logits, ids, each) for each in (found, 0.97 * found, 1.03 * found, 1)]
    assert losses[0] == min(losses)
    np.testing.assert_array_equal(find_temperature(logits + 7, ids), found), "logits are known up to a constant"
    assert find_temperature(logits.astype(np.float32), ids) == pytest.approx(found, abs=1e-4)


@pytest.mark.parametrize(
    "logits, labels, message",
    [
        (np.ones((99, 2)), [0, 1] * 49 + [0], "99 texts to calibrate on: a temperature takes at least 100"),
        (np.ones((0, 2)), [], "0 texts to calibrate on: a temperature takes at least 100"),
        (
            np.eye(2)[[0] * 200],
            [1] * 200,
            "all its 200 texts have the same label: a temperature takes texts of several",
        ),
        (np.eye(2)[[0, 1] * 100], [0, 1] * 100, "as good as never wrong on these texts: give some that it has not"),
        (np.eye(2)[[0, 1] * 100], [1, 0] * 100, "tell next to nothing of these labels: check them, or train longer"),
        (np.ones((200, 2)), [0, 1] * 100, "tell next to nothing"),
        (np.full((200, 2), np.nan), [0, 1] * 100, "NaN or infinite: make it of another checkpoint"),
        (np.array([[0, np.inf], [1, 0]] * 100), [0, 1] * 100, "NaN or infinite"),
    ],
)
def test_where_reviews_tell_no_temperature_a_line_says_so(logits, labels, message):
    with pytest.raises(ValueError) as refused:
        find_temperature(logits, np.array(labels, int))
    assert message in str(refused.value) and "\n" not in str(refused.value)


@given(st.integers(0, 2**32 - 1), st.floats(-30, 37), st.integers(2, 4))
def test_no_logits_give_what_is_no_number(seed, magnitude, count):
    """From hardly any to more than float32 can square."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(200, count)).astype(np.float32) * np.float32(10**magnitude)
    labels = random.integers(count, size=200)
    try:
        found = find_temperature(logits, labels)
    except ValueError:
        return
    assert LOWEST <= found <= HIGHEST
    assert np.isfinite([*measure(labels, softmax(logits.astype(float) / found)).values()]).all()


def test_a_folded_head_has_the_logits_divided_and_the_same_labels():
    random = np.random.default_rng(3)
    weight, bias = (random.normal(size=size).astype(np.float32) for size in ((3, 16), 3))
    pooled = random.normal(size=(500, 16)).astype(np.float32)
    for temperature in (0.3, 1.8635):
        folded = fold(weight, bias, temperature)
        assert [each.dtype for each in folded] == [np.float32] * 2
        logits = pooled @ weight.T + bias
        np.testing.assert_allclose(pooled @ folded[0].T + folded[1], logits / temperature, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal((pooled @ folded[0].T + folded[1]).argmax(1), logits.argmax(1))
    for same, array in zip(fold(weight, bias, 1), (weight, bias), strict=True):
        np.testing.assert_array_equal(same, array)


def test_probabilities_are_heated_and_cooled_again():
    logits, _ = draw(2, count=100, labels=3)
    probabilities = softmax(logits)
    np.testing.assert_allclose(heat(probabilities, 2), softmax(logits / 2), atol=1e-12)
    np.testing.assert_allclose(heat(heat(probabilities, 2), 1 / 2), probabilities, atol=1e-12)
    np.testing.assert_array_equal(heat(np.array([[0, 1.0]]), 1.8), [[0, 1]])


def test_measures_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0, 0, 1.0]])
    measured = measure(np.array([0, 0, 1, 2]), probabilities)
    assert measured == pytest.approx(
        {
            "accuracy": 0.75,
            "loss": -np.log([0.7, 0.3, 0.8, 1]).mean(),
            "Brier": (0.09 + 0.04 + 0.01 + 0.49 + 0.36 + 0.01 + 0.01 + 0.04 + 0.01 + 0) / 4,
            "ECE": (0.3 + 0.6 + 0.2 + 0) / 4,
        }
    )
    assert bin_of(probabilities).tolist() == [10, 8, 11, 14]
    assert np.isfinite(measure(np.array([1]), np.array([[1.0, 0]]))["loss"]), "a float32 softmax can be 0"


def test_the_table_says_what_was_and_is():
    labels, probabilities = np.array([0, 1, 1, 0]), np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    compared = compare({"test": (labels, probabilities)}, 2.0)
    assert compared["test, uncalibrated"] == {"texts": 4, "accuracy": 0.75, "loss": 0.6547, "Brier": 0.42, "ECE": 0.15}
    assert compared["test, calibrated"] == {"texts": 4, "accuracy": 0.75, "loss": 0.5623, "Brier": 0.375, "ECE": 0.0}
    assert write_table(2.0, compared) == (
        "temperature 2       texts  accuracy    loss   Brier     ECE\n"
        "test, uncalibrated      4    0.7500  0.6547  0.4200  0.1500\n"
        "test, calibrated        4    0.7500  0.5623  0.3750  0.0000\n"
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        ("{}", "'temperature'"),
        ('{"temperature": "1.5"}', "'1.5' is no temperature"),
        ('{"temperature": 0.0}', "0.0 is no temperature"),
        ('{"temperature": -1.5}', "-1.5 is no temperature"),
        ('{"temperature": NaN}', "nan is no temperature"),
        ('{"temperature": Infinity}', "inf is no temperature"),
        ('{"temperature": true}', "True is no temperature"),
        ("[" * 99_999, "recursion"),
    ],
)
def test_what_is_no_temperature_is_one_clear_line(text, message, tmp_path):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(SystemExit) as refused:
        read_found(tmp_path / "t.json")
    line = refused.value.code
    assert line.startswith(f"{tmp_path}/t.json: cannot read the temperature: ") and message in line and "\n" not in line
    (tmp_path / "t.json").write_text(json.dumps({"temperature": 1.8635}))
    assert read_found(tmp_path / "t.json") == 1.8635
    with pytest.raises(SystemExit, match="nowhere.json: cannot read the temperature: No such file or directory: make"):
        read_found(tmp_path / "nowhere.json")
