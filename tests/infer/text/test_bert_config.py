"""bert_config.json: a model that can be built, or one line."""

import json

import numpy as np
import pytest
from fuzzing import BYTES, JSON, answer_or_line, given, st
from modules import ROOT

from infer.text.bert_config import SIZES, parse_bert_config, variable_shapes

pytestmark = pytest.mark.usefixtures("memory")
CONFIG = json.loads((ROOT / "profiles/tiny.json").read_text())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"vocab_size": None}, "vocab_size is null, not a positive whole number"),
        ({"hidden_size": -4}, "hidden_size is -4"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"hidden_size": 32.0}, "hidden_size is 32.0"),
        ({"hidden_size": "32"}, 'hidden_size is "32"'),
        ({"hidden_size": True}, "hidden_size is true"),
        ({"hidden_size": [[32] * 9999]}, "hidden_size is [[32, 32, 32, 32, 32, 32, 32, 32, 32, 32…, not"),
        ({"hidden_size": 33}, "hidden_size is not a multiple of num_attention_heads"),
        ({"num_attention_heads": 64}, "hidden_size is not a multiple of num_attention_heads"),
        ({"hidden_size": 1 << 40}, "more than 128 layers or 500000000 weights"),
        ({"vocab_size": 1 << 30}, "more than 128 layers or 500000000 weights"),
        ({"max_position_embeddings": 10**1000}, "more than 128 layers or 500000000 weights"),
        ({"num_hidden_layers": 10**9}, "more than 128 layers or 500000000 weights"),
        ({"hidden_act": "swish"}, 'hidden_act is "swish", not one of gelu, gelu_erf, linear, relu, tanh'),
        ({"hidden_act": {}}, "hidden_act is {}, not one of"),
        ({"hidden_dropout_prob": 1}, "hidden_dropout_prob is 1, not a number of at least 0 and less than 1"),
        ({"initializer_range": float("nan")}, "initializer_range is NaN, not a number"),
    ],
)
def test_a_configuration_of_no_model_is_one_clear_line(changes, message):
    with pytest.raises(SystemExit) as end:
        parse_bert_config(json.dumps(CONFIG | changes).encode(), "config.json")
    assert end.value.code.startswith(f"config.json: not a bert_config.json: {message}") and "\n" not in end.value.code


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * (1 << 21), b'{"vocab_size": 9}'])
def test_a_configuration_that_is_no_json_is_one_clear_line(data):
    with pytest.raises(SystemExit, match="config.json: not a bert_config.json: "):
        parse_bert_config(data, "config.json")


@pytest.mark.parametrize("name", ["vocab_size", "hidden_size", "num_attention_heads", "type_vocab_size"])
def test_a_configuration_without_a_size_names_it(name):
    with pytest.raises(SystemExit, match=f"not a bert_config.json: no {name}$"):
        parse_bert_config(json.dumps({key: CONFIG[key] for key in CONFIG if key != name}).encode(), "config.json")


def test_what_upstream_does_not_know_is_left_out():
    config = parse_bert_config(json.dumps(CONFIG | {"directionality": "bidi", "__class__": 0}).encode(), "config.json")
    assert config == CONFIG


SIZED = st.fixed_dictionaries({name: st.integers(-1, 2**40) | st.integers(1, 64) | JSON for name in SIZES})


@pytest.mark.more
@given((SIZED | JSON).map(lambda value: json.dumps(value).encode()) | BYTES)
def test_a_configuration_that_is_read_can_be_built(data):
    config = answer_or_line(parse_bert_config, data, "config.json")
    if config is not None:
        assert sum(int(np.prod(shape)) for shape in variable_shapes(config).values()) <= 500_000_000
        assert config["hidden_size"] % config["num_attention_heads"] == 0
