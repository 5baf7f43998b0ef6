"""Measures one contender in this process: python -m bench.contender NAME TASK --model PATH …; prints a line of JSON.

Runs in the contender's own environment, on Python 3.7 as well; called by bench/__main__.py.
"""

import argparse
import hashlib
import json
import os
import re
import time
from functools import partial
from pathlib import Path

import numpy as np

from bench.contenders import LOADERS, TOKENIZERS
from infer.text.examples import read_examples
from infer.text.script import run

SHORT = "The film was creative and surprising"  # of the guide's four
WARM_UP = 64  # reviews, or calls, before measuring
CALLS = 300
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
SCALING_REVIEWS = 512  # for each batch size
SCALING_TOKENS = 16384  # for each length


def peak_memory():
    """Returns the peak memory of this process in bytes; getrusage would count its parent's before exec, too."""
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def rate(predict, texts):
    """Returns (texts per second after a warm-up, what `predict` returned)."""
    predict(texts[:WARM_UP])
    start = time.perf_counter()
    answer = predict(texts)
    return len(texts) / (time.perf_counter() - start), answer


def first_answer(args, texts):
    """Answers one short review: `answered` is time.monotonic() after that."""
    LOADERS[args.name](args)([SHORT])
    return {"answered": time.monotonic()}


def latency(args, texts):
    """Measures one short review: p50 and p99 in seconds."""
    predict = LOADERS[args.name](args)
    for _ in range(WARM_UP):
        predict([SHORT])
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        predict([SHORT])
        seconds.append(time.perf_counter() - start)
    p50, p99 = np.percentile(seconds, (50, 99))
    return {"p50": p50, "p99": p99}


def throughput(args, texts):
    """Measures all reviews; writes their probabilities to args.output."""
    reviews_per_second, probabilities = rate(LOADERS[args.name](args), texts)
    if args.output:
        np.save(args.output, probabilities)
    return {"reviews_per_second": reviews_per_second, "peak_memory": peak_memory()}


def tokens(args, texts):
    """Measures texts to ids only; the SHA-256 of the ids tells whether two tokenizers agree."""
    encode, _, _ = TOKENIZERS[args.name](args.tokenizer)
    texts_per_second, ids = rate(encode, texts)
    digest = hashlib.sha256(json.dumps(ids).encode()).hexdigest()
    return {"texts_per_second": texts_per_second, "sha256": digest}


def scale(args, texts):
    """Measures texts per second by batch size, and by length with texts of one repeated word."""
    predict = LOADERS[args.name](args)
    found = {"batch": {}, "length": {}}
    for batch_size in BATCH_SIZES:
        found["batch"][batch_size], _ = rate(partial(predict, batch_size=batch_size), texts[:SCALING_REVIEWS])
    positions = json.loads(Path(args.tokenizer, "config.json").read_text())["max_position_embeddings"]
    vocab = Path(args.tokenizer, "vocab.txt").read_text(encoding="utf-8").split("\n")
    word = next(token for token in vocab if re.match("[a-z]{4,}$", token))
    for length in LENGTHS:
        if length <= positions:
            texts = [" ".join([word] * (length - 2))] * max(WARM_UP, SCALING_TOKENS // length)
            found["length"][length], _ = rate(partial(predict, max_seq_length=length), texts)
    return found


TASKS = {
    "first_answer": first_answer,
    "latency": latency,
    "throughput": throughput,
    "tokens": tokens,
    "scale": scale,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.contender", description=__doc__)
    parser.add_argument("name", choices=LOADERS, help="the contender")
    parser.add_argument("task", choices=TASKS, help="what to measure")
    parser.add_argument("--model", required=True, help="the file or folder to load")
    parser.add_argument("--tokenizer", required=True, help="the folder that `make huggingface` writes")
    parser.add_argument("--reviews", required=True, help="test.jsonl")
    parser.add_argument("--count", type=int, required=True, help="how many of them")
    parser.add_argument("--setting", default="", help="what the contender can be set to")
    parser.add_argument("--output", help="where throughput writes the probabilities, .npy")
    args = parser.parse_args()
    args.threads = len(os.sched_getaffinity(0))
    args.hint = "latency" if args.task in ("latency", "first_answer") else "throughput"
    texts = [row["review"] for row in read_examples(args.reviews)[: args.count]]
    print(json.dumps(TASKS[args.task](args, texts)))


if __name__ == "__main__":
    run(main)
