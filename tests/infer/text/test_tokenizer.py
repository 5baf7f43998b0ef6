"""Texts become ids and features; that they are upstream's: tests/tf1/test_upstream.py, pipeline/test_ids.py."""

import string

import numpy as np
import pytest
from modules import run

from infer.text.tokenizer import ChunkCache, load_tokenizer, to_batches, to_features, to_windows

VOCAB = {token: i for i, token in enumerate("[PAD] [UNK] [CLS] [SEP] good film Good FILM , ##s cafe Café é".split())}


@pytest.mark.parametrize(
    "do_lower_case, ids", [(True, [4, 5, 9, 8, 4, 5, 8, 10, 1]), (False, [6, 5, 9, 8, 4, 7, 8, 11, 1])]
)
def test_texts_become_ids_in_their_order_and_case(do_lower_case, ids):
    encode = load_tokenizer(VOCAB, do_lower_case)
    assert encode(["Good films, good FILM", ", Café ☃"]) == [ids[:6], ids[6:]]
    assert encode(["good films"]) == [[4, 5, 9]] and encode(["film good"]) == [[5, 4]]


def test_each_punctuation_mark_and_ascii_symbol_is_a_word():
    marks = [*string.punctuation, *"¿…。–«"]
    tokens = [*"[PAD] [UNK] [CLS] [SEP] good ##s s sep".split(), *marks]
    vocab = {token: i for i, token in enumerate(tokens)}
    encode = load_tokenizer(vocab)
    for mark in marks:
        assert encode([f"good{mark}s", mark, f"ça{mark}"]) == [[4, vocab[mark], 6], [vocab[mark]], [1, vocab[mark]]]
    for other in "°€√":
        assert encode([f"good{other}s", f"good {other}"]) == [[1], [4, 1]]
    assert encode(["[SEP]", "##s"]) == [[vocab[token] for token in tokens] for tokens in (["[", "sep", "]"], "##s")]


@pytest.mark.parametrize("space", [" ", "\t"])
def test_a_word_of_more_than_200_characters_is_unknown(space):
    encode = load_tokenizer({token: i for i, token in enumerate("[PAD] [UNK] [CLS] [SEP] good ##good ##g é".split())})
    words = ["good" * 50, "good" * 49 + "goog", "good" * 50 + "g", "good" * 51, "good" * 100_000, "é" * 201]
    assert encode([space.join([word, "good"]) for word in words] + ["good" * 49 + "g"]) == [
        [4, *[5] * 49, 4],
        *[[1, 4]] * 5,
        [4, *[5] * 48, 6],
    ]


def test_of_chunks_so_many_are_kept_and_none_that_is_long(monkeypatch):
    monkeypatch.setattr("infer.text.tokenizer.MAX_CHUNKS", 3)
    monkeypatch.setattr("infer.text.tokenizer.MAX_CHUNK", 4)
    counted, kept = [], ChunkCache(lambda chunk: counted.append(chunk) or len(chunk))
    assert [kept[chunk] for chunk in ("good", "a", "good", "films", "films")] == [4, 1, 4, 5, 5]
    assert counted == ["good", "a", "films", "films"] and [*kept] == ["good", "a"]
    assert (kept["bad"], [*kept]) == (3, ["good", "a", "bad"])
    assert (kept["it"], [*kept]) == (2, ["it"])


@pytest.mark.parametrize("count", range(9))
def test_of_a_text_of_many_words_the_first_and_the_last_are_read(count):
    words = [4, 5, 10, 4, 8, 5, 4, 5, 8][:count]
    names = {i: token for token, i in VOCAB.items()}
    encode = load_tokenizer(VOCAB, max_words=2)
    assert encode(["\t".join(names[i] for i in words)]) == [words if count <= 4 else words[:2] + words[-2:]]


def test_windows_have_so_many_texts_or_characters(monkeypatch):
    monkeypatch.setattr("infer.text.tokenizer.WINDOW", 3)
    monkeypatch.setattr("infer.text.tokenizer.MAX_CHARACTERS", 8)
    texts = ["a", "b", "c", "d" * 7, "e", "f" * 99, "", None, "g" * 8, "h"]
    assert [*to_windows(iter(texts))] == [texts[:3], texts[3:5], texts[5:6], texts[6:9], texts[9:]]
    assert [*to_windows([])] == [] and [*to_windows(["", "", ""])] == [["", "", ""]]
    with pytest.raises(TypeError, match="a str is no iterable of texts"):
        next(to_windows("good"))


def test_features_are_framed_cut_and_padded():
    input_ids, input_mask, segment_ids = to_features([7, 8, 9], (2, 3), 8)
    assert input_ids.tolist() == [[2, 7, 8, 9, 3, 0, 0, 0]]
    assert input_mask.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert segment_ids.tolist() == [[0] * 8]
    assert to_features(list(range(4, 99)), (2, 3), 8)[0].tolist() == [[2, 4, 5, 6, 7, 8, 9, 3]]
    assert to_features([], (2, 3), 8)[0].tolist() == [[2, 3, 0, 0, 0, 0, 0, 0]]


def test_what_unicode_11_has_not_assigned_is_dropped():
    """As bert-tensorflow 1.0.1 does on Python 3.7, where google-research/bert on GitHub has [UNK]."""
    vocab = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "great", "film"])}
    encode = load_tokenizer(vocab)
    melting_face_of_unicode_14, private_use, zany_face_of_unicode_10 = "\U0001fae0", "\ue000", "\U0001f92a"
    assert encode([f"great {char} film" for char in (melting_face_of_unicode_14, private_use)]) == [[4, 5], [4, 5]]
    assert encode([f"great {zany_face_of_unicode_10} film"]) == [[4, 1, 5]]
    smiling_face_of_unicode_11, yawning_face_of_unicode_12 = "\U0001f970", "\U0001f971"
    assert encode([f"great {smiling_face_of_unicode_11} film"]) == [[4, 1, 5]]
    assert encode([f"great {yawning_face_of_unicode_12} film"]) == [[4, 5]]


def test_batches_hold_the_features_of_each_text_once_and_no_more_padding_than_needed():
    texts = [[], [7], [*range(4, 99)], [8, 9], [5, 6, 7], [9, 9, 9, 9]]
    seen = []
    for chosen, features in to_batches(texts, (2, 3), 6, batch_size=4):
        seen += chosen.tolist()
        assert features[1].sum(1).max() == features[0].shape[1] <= 6
        for i, *row in zip(chosen, *features, strict=True):
            wanted = np.concatenate(to_features(texts[i], (2, 3), 6))[:, : features[0].shape[1]]
            np.testing.assert_array_equal(row, wanted)
    assert sorted(seen) == [*range(len(texts))]


def test_lengths_of_batches_are_multiples_where_that_is_asked_for_and_never_more_than_the_model_reads():
    texts = [[7] * length for length in range(12)]
    padded, exact = (dict(shapes(texts, multiple)) for multiple in (4, 1))
    assert exact == {i: min(i + 2, 10) for i in range(12)}
    assert padded == {0: 4, 1: 4, 2: 4, 3: 8, 4: 8, 5: 8, 6: 8, 7: 10, 8: 10, 9: 10, 10: 10, 11: 10}


def shapes(texts, multiple):
    """Yields (text, length of its batch), each text in a batch of its own."""
    for (i,), (input_ids, input_mask, _) in to_batches(texts, (2, 3), 10, 1, multiple):
        read = min(len(texts[i]) + 2, 10)
        assert input_mask.tolist() == [[1] * read + [0] * (input_ids.shape[1] - read)]
        assert not input_ids[:, read:].any() and input_ids[0, read - 1] == 3
        yield int(i), input_ids.shape[1]


@pytest.mark.process
def test_texts_become_batches_without_openvino():
    done = run("-c", "import sys, infer.text.tokenizer; print('openvino' in sys.modules)")
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
