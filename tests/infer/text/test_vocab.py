"""vocab.txt: read as upstream reads it, or one line."""

import json
import os

import pytest
from encoder import VOCAB
from fuzzing import BYTES, answer_or_line, example, given, st

from infer.text.tokenizer import load_tokenizer
from infer.text.vocab import SPECIAL_TOKENS, main, parse_vocab, read_casing, read_max_length, read_vocab

pytestmark = pytest.mark.usefixtures("memory")


@pytest.mark.parametrize(
    "data, message",
    [
        ("\n".join([*VOCAB, "good"]).encode(), "line 15 repeats line 6"),
        ("\n".join([*VOCAB, " good\r"]).encode(), "line 15 repeats line 6"),
        ("\n".join([*VOCAB[:7], "", *VOCAB[7:]]).encode(), "line 8 is blank"),
        ("\n".join([*VOCAB, "\n"]).encode(), "line 15 is blank"),
        ("\n".join(VOCAB[1:]).encode(), r"no \[PAD\] in it"),
        ("\n".join(token for token in VOCAB if token != "[SEP]").encode(), r"no \[SEP\] in it"),
        ("\n".join(VOCAB).encode("utf-16"), "not UTF-8"),
        (b"\xff" * 100, "not UTF-8"),
        (b"", r"no \[PAD\] in it"),
        (bytes((1 << 24) + 1), "more than 16777216 bytes"),
    ],
)
def test_a_vocabulary_that_lies_is_one_clear_line(data, message, tmp_path):
    (tmp_path / "vocab.txt").write_bytes(data)
    with pytest.raises(SystemExit, match=f"vocab.txt: {message}"):
        read_vocab(tmp_path / "vocab.txt")
    os.truncate(tmp_path / "vocab.txt", 1 << 40)
    with pytest.raises(SystemExit, match="more than 16777216 bytes"):
        read_vocab(tmp_path / "vocab.txt")


def test_a_cut_or_foreign_vocab_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("good\nfilm\n")
    with pytest.raises(SystemExit, match=r"no \[PAD\] in it"):
        read_vocab(tmp_path / "vocab.txt")


@pytest.mark.parametrize("tokens", [["good", *VOCAB[:5]], VOCAB[::-1], [*VOCAB[5:], *VOCAB[:5]]])
def test_special_tokens_may_be_on_any_line(tokens):
    assert parse_vocab("\n".join(tokens).encode(), "vocab.txt") == {token: i for i, token in enumerate(tokens)}


@pytest.mark.parametrize(
    "config, casing",
    [
        ({}, True),
        ({"do_lower_case": True, "tokenizer_class": "BertTokenizer", "strip_accents": None}, True),
        ({"do_lower_case": False}, False),
        ({"do_lower_case": False, "strip_accents": False, "tokenize_chinese_chars": True}, False),
        ({"do_lower_case": "no"}, "cannot read do_lower_case from it: neither true nor false"),
        ({"do_lower_case": None}, "cannot read do_lower_case from it: neither true nor false"),
        ([], "cannot read do_lower_case from it: not a JSON object"),
        ({"strip_accents": False}, "strip_accents is false, and google-research/bert's tokenizer knows only true here"),
        ({"do_lower_case": False, "strip_accents": True}, "strip_accents is true, and google-research/bert's"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars is false, and google-research/bert's"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize is false, and"),
    ],
)
def test_the_casing_is_that_of_the_tokenizers_configuration(config, casing, tmp_path):
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(config))
    if isinstance(casing, bool):
        assert read_casing(tmp_path / "vocab.txt") is casing
        return
    with pytest.raises(SystemExit) as ended:
        read_casing(tmp_path / "vocab.txt")
    assert ended.value.code.startswith(f"{path}: {casing}") and "\n" not in ended.value.code


@pytest.mark.parametrize(
    "tokens, do_lower_case",
    [
        ([], True),
        (["the", "##s", "ß", "か", "ㄱ", "好", "ø", "1"], True),
        (["The", "the", "##S"], False),
        (["café", "##s"], False),
        (["が", "か"], False),  # with a mark that is an accent to FullTokenizer
        (["각"], False),  # which it takes to pieces
        (["[MASK]", "[unused1]", "[ABC]"], True),
        (["the"] + [f"##{i}" for i in range(200)] + ["Ⅷ"], True),  # a stray one
    ],
)
def test_without_a_configuration_the_vocabulary_tells_its_casing(tokens, do_lower_case, tmp_path, capsys):
    tokens = [token for token in tokens if token not in VOCAB]
    (tmp_path / "vocab.txt").write_text("\n".join([*VOCAB, *tokens]), encoding="utf-8")
    assert read_casing(tmp_path / "vocab.txt") is do_lower_case
    said = capsys.readouterr().err
    assert said == (
        "" if do_lower_case else f"{tmp_path}/vocab.txt: a cased vocabulary: texts keep capitals and accents\n"
    )
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    assert read_casing(tmp_path / "vocab.txt") is True and not capsys.readouterr().err


@pytest.mark.parametrize("given", [0, 1])
def test_the_user_may_know_better_than_the_vocabulary(given, tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("\n".join([*VOCAB, "The", "\x85x"]), encoding="utf-8")
    arguments = ["vocab", str(tmp_path / "mine.txt"), str(tmp_path / "out"), f"--do_lower_case={given}"]
    monkeypatch.setattr("sys.argv", arguments)
    main()
    assert read_casing(tmp_path / "out/vocab.txt") is bool(given)
    assert (tmp_path / "out/vocab.txt").read_bytes() == (tmp_path / "mine.txt").read_bytes()


@pytest.mark.parametrize(
    "config, length",
    [
        ({"model_max_length": 128}, 128),
        ({}, None),
        ({"model_max_length": int(1e30)}, None),
        ({"model_max_length": 1.5}, None),
    ],
)
def test_a_configuration_may_tell_the_longest_sequence(config, length, tmp_path):
    assert read_max_length(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert read_max_length(tmp_path) == length


def test_a_vocabulary_is_read_as_upstream_reads_it(tmp_path):
    """With Windows' line ends, blanks around a token, and a token that Unicode takes for a line's end."""
    (tmp_path / "vocab.txt").write_bytes("\r\n".join([*VOCAB, " film2 ", "\u2028", "\u2029", "\x85x"]).encode())
    assert list(read_vocab(tmp_path / "vocab.txt").values()) == list(range(18))


TOKEN = st.sampled_from(VOCAB) | st.text(max_size=4)


@pytest.mark.more
@given(st.lists(TOKEN, max_size=9).map(lambda tokens: "\n".join([*SPECIAL_TOKENS, *tokens]).encode()) | BYTES)
@example("\n".join([*SPECIAL_TOKENS, "##", "\u2028", "\ufeff", "a b"]).encode())
def test_a_vocabulary_that_is_read_can_be_used(data):
    vocab = answer_or_line(parse_vocab, data, "vocab.txt")
    if vocab is not None:
        assert list(vocab.values()) == list(range(len(vocab)))
        for ids in load_tokenizer(vocab)(["a film[PAD] of \u2028 beauty", " ".join(vocab), ""]):
            assert all(0 <= i < len(vocab) for i in ids)
