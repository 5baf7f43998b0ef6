"""`make bench` as far as it needs no peers: what they install is too much for `make test`."""

import numpy as np
import pytest
from checkout import FP32, make, make_fails
from test_classifier import REVIEWS, TINY, infer


def test_the_guides_graph_is_the_same_model_padded_to_another_length(tiny):
    make(tiny, "build/tiny/bench/guide", TINY)
    short = [review for review in REVIEWS if len(review) < 100]
    paths = [tiny / "build/tiny" / name / "bert-finetune.xml" for name in ("", "bench/guide")]
    vocab = f"--vocab_file={tiny}/build/tiny/pretrained/vocab.txt"
    trained, guide = (infer("openvino", "-m", path, vocab, *short) for path in paths)
    np.testing.assert_allclose(guide, trained, atol=FP32, rtol=0)
    assert ">64</dim>" in paths[1].read_text() and ">64</dim>" not in paths[0].read_text().split("IteratorGetNext")[1]
    assert "all as recorded" in make(tiny, "verify", TINY)


@pytest.mark.parametrize(
    "given, message",
    [
        ("BENCH_REVIEWS=0", "BENCH_REVIEWS=0: must be a positive whole number"),
        ("BENCH_REPEATS=few", "BENCH_REPEATS=few: must be a positive whole number"),
        ("BENCH_LENGTH=16", "BENCH_LENGTH=16: must not be less than MAX_SEQ_LENGTH=32"),
        ("PB=README.md", "make bench: a .pb holds no classifier head: add CHECKPOINT="),
    ],
)
def test_what_cannot_be_right_is_refused(bare, given, message):
    assert message in make_fails(bare, "bench", TINY, given)
    assert not (bare / "build/tiny").exists()
