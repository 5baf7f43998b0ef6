"""How a text is taken apart, and how much of it is read."""

import numpy as np
import pytest
from small import LENGTH

from infer.serve.words import count_read, find_words, without_each


@pytest.mark.parametrize(
    "text, words",
    [
        ("", []),
        (" \n\t ", []),
        ("good", ["good"]),
        ("  Not a\ngood\u00a0film, is it? ", ["Not", "a", "good", "film,", "is", "it?"]),
        ("很好 a film很", ["很", "好", "a", "film", "很"]),
        ("\U0001f600!", ["\U0001f600!"]),
    ],
)
def test_words_are_what_spaces_end_and_each_ideograph(text, words):
    assert [text[start:end] for start, end in find_words(text)] == words


def test_each_is_left_out_in_turn():
    assert without_each("not a film", [(0, 3), (4, 5), (6, 10)]) == [" a film", "not  film", "not a "]


@pytest.mark.parametrize(
    "word, pieces", [("good", 1), ("films", 2), ("film,", 2), ("good!!!", 4), ("\x00", 0), ("很", 1)]
)
def test_what_is_read_ends_where_the_classifier_cuts(model, word, pieces):
    """The first word that changes nothing is the first that is not read."""
    words = 3 * LENGTH
    text = " ".join([word] * words)
    found = count_read(model, text, find_words(text))
    assert found == (-(-(LENGTH - 2) // pieces) if pieces else words)
    start, end = find_words(text)[found - 1]
    assert count_read(model, text[:end], find_words(text[:end])) == found
    read = [text[:start] + "bad", text[:end] + " bad"]
    if pieces:
        kept, changed, unread = model.predict_window([text, read[0] + text[end:], read[1]])
        np.testing.assert_allclose(unread, kept, atol=1e-6)
        assert np.abs(changed - kept).max() > 1e-5
