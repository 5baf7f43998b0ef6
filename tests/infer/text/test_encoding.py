"""What bytes are in, where they should be UTF-8."""

import pytest
from fuzzing import given, st

from infer.text.encoding import HEAD, find_wide, to_text

TEXTS = [
    "A great film.",
    "Очень хороший фильм, да",
    "これは良い映画です",
    "演技は素晴らしく、もう一度見たいと思います。" * 9,  # 一 is N in the other byte order, and there are few lines
    "Ça, c’est «bon»\u00a0!",
    "映\n\U0001f600",
    "A great film, with one odd letter: \a.",
]
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("text", TEXTS)
def test_two_and_four_bytes_a_letter_are_told_with_and_without_a_mark(text, encoding):
    for times in (1, HEAD):  # cut in a letter, too
        data = ((text + "\n") * times).encode(encoding)
        assert find_wide(data) == encoding
        assert find_wide("\ufeff".encode(encoding) + data) == encoding[:6]
        assert find_wide(data[: HEAD - 1]) == encoding


@pytest.mark.parametrize("encoding", WIDE)
def test_letters_are_of_few_blocks_where_no_line_ends(encoding):
    assert find_wide("もう一度見たいと思います".encode(encoding)) == encoding


@pytest.mark.parametrize(
    "data", ["good film\0 bad film\nok\n", "\0", "a\0b\n", "good\0bad\0fine\0", "ça\0 va\n", "映画\0映画\0\n", ""]
)
def test_a_nul_in_utf_8_is_a_letter_like_any(data):
    assert find_wide(data.encode()) is None and to_text(data.encode()) == data


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_utf_8_is_utf_8(text):
    assert to_text(text.encode()) == text


@pytest.mark.parametrize(
    "data, message",
    [
        ("ça\n".encode("latin-1"), "not UTF-8, likely cp1252"),
        ("хорошо\n".encode("cp1251"), "not UTF-8"),
        ("ça\n".encode() + b"\xff\n", "not UTF-8"),
        ("good\n".encode("utf-16-le"), "is UTF-16-LE, not UTF-8"),
    ],
)
def test_what_is_not_utf_8_is_said(data, message):
    with pytest.raises(ValueError) as raised:
        to_text(data)
    assert str(raised.value) == message
