"""The ids and the features of a review are upstream's FullTokenizer's and convert_single_example's, on the real
vocabulary: on all that Unicode has, tests/pipeline/test_ids.py sees it."""

import zipfile

import numpy as np
import pytest
from bert import run_classifier as upstream
from bert.tokenization import FullTokenizer
from training import ROOT, WHEEL

from infer.text.tokenizer import load_tokenizer, read_vocab, to_features
from tf1.pretrained import WHEEL_MODEL

TEXTS = [
    "ABSOLUTELY fantastic, isn't it?! 10/10",
    "Ça, c'était un chef-d'œuvre: ΟΔΟΣ, İstanbul",
    "这部电影很好看 👍🏽\u200d\ufeff\x07",
    "unputdownable " + "a" * 300,
    "[SEP] [MASK] ##ing",
    "",
    " \t\u3000",
    "on and on " * 30,
]


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    with zipfile.ZipFile(WHEEL) as wheel:
        path.write_bytes(wheel.read(WHEEL_MODEL + "vocab.txt"))
    return str(path)


def test_the_guides_reviews_have_the_ids_that_bert_knows_them_by(vocab_file):
    """Written out, so that one tokenizer does not vouch for the other."""
    encode = load_tokenizer(read_vocab(vocab_file))
    assert encode(["That movie was absolutely awful", "Absolutely fantastic!"]) == [
        [2008, 3185, 2001, 7078, 9643],
        [7078, 10392, 999],
    ]


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_features_are_upstreams(do_lower_case, vocab_file):
    with open(ROOT + "/infer/reviews.txt") as file:
        texts = TEXTS + file.read().splitlines()
    vocab, tokenizer = read_vocab(vocab_file), FullTokenizer(vocab_file, do_lower_case)
    examples = [upstream.InputExample(guid=None, text_a=text, label=0) for text in texts]
    wanted = upstream.convert_examples_to_features(examples, [0, 1], 32, tokenizer)
    for text, ids, features in zip(texts, load_tokenizer(vocab, do_lower_case)(texts), wanted):
        assert ids == tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)), text
        got = to_features(ids, (vocab["[CLS]"], vocab["[SEP]"]), 32)[:, 0]
        np.testing.assert_array_equal(got, [features.input_ids, features.input_mask, features.segment_ids])
