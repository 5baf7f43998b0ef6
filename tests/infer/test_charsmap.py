"""A charsmap is read by openvino-tokenizers as it was meant: what str.translate makes of the same table."""

import random

import numpy as np
import openvino as ov
import pytest
from openvino import opset15 as op

from infer import charsmap as module
from infer.charsmap import compile_charsmap
from infer.in_graph import extension, tokenizers_core


def translate(table, texts):
    """Returns the texts as openvino-tokenizers translates them by compile_charsmap's bytes of the table."""
    parameter = op.parameter([-1], ov.Type.string)
    charsmap = op.constant(np.frombuffer(compile_charsmap(table), np.uint8)).output(0)
    inputs = [*op.string_tensor_unpack(parameter).outputs(), charsmap]
    strings = extension()[1].create("CharsMapNormalization", inputs, {"remove_extra_whitespaces": False}).outputs()
    network = ov.Model([op.string_tensor_pack(*strings).output(0)], [parameter])
    return tokenizers_core().compile_model(network, "CPU")(ov.Tensor(np.array(texts)))[0].tolist()


def test_it_translates_as_str_translate():
    draw = random.Random(0)
    points = [*range(1, 0xD800), *range(0xE000, 0x110000)]
    table = {chr(point): "" for point in draw.sample(points, 2_000)}
    table |= {chr(point): chr(point).upper() + draw.choice(["", " ", "影é"]) for point in draw.sample(points, 2_000)}
    table |= dict.fromkeys("abc", "") | {"d": "dd", "é": "e", "\U0010ffff": "last", "\x01": " "}
    texts = ["", "abc", "abcd é \U0010ffff\x01", *("".join(draw.choices([*table], k=50)) for _ in range(300))]
    texts += ["".join(map(chr, draw.choices(points, k=50))) for _ in range(300)]
    assert translate(table, texts) == [text.translate(str.maketrans(table)) for text in texts]


def test_a_zero_is_a_character_too():
    assert translate({"\0": "", "a": "b"}, ["a\0a", "\0\0c"]) == ["bb", "c"]
    assert translate({"a": "b"}, ["a\0a"]) == ["b\0b"], "and stays where the table does not have it"


def test_what_stays_takes_no_room():
    assert compile_charsmap({"a": "b", "x": "x"}) == compile_charsmap({"a": "b"})


def test_more_than_the_format_holds_is_refused(monkeypatch):
    monkeypatch.setattr(module, "MAX_OFFSET", 256)
    with pytest.raises(OverflowError, match="2000 characters are too many"):
        compile_charsmap({chr(point): str(point) for point in range(2000, 4000)})
