"""What infer.Classifier does without a server: python -m bench.direct classifier.xml --reviews test.jsonl

Prints one line of JSON: requests_per_second, of predict on many reviews, and p50 and p99 of one review, in seconds.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np

from infer import Classifier


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.direct", description=__doc__)
    parser.add_argument("model", help="classifier.xml")
    parser.add_argument("--reviews", type=Path, required=True, help="test.jsonl")
    parser.add_argument("--seconds", type=float, required=True, help="for how long each, about")
    args = parser.parse_args()
    classifier = Classifier(args.model)
    texts = [json.loads(line)["review"] for line in args.reviews.open(encoding="utf-8")]
    list(classifier.predict(texts[:64]))

    start, count = time.perf_counter(), 0
    while time.perf_counter() < start + args.seconds:
        count += len(list(classifier.predict(texts)))
    rate = count / (time.perf_counter() - start)

    start, seconds = time.perf_counter(), []
    for text in itertools.cycle(texts):
        begin = time.perf_counter()
        classifier.predict_window([text])
        seconds.append(time.perf_counter() - begin)
        if begin > start + args.seconds:
            break
    p50, p99 = np.percentile(seconds, [50, 99])
    print(json.dumps({"requests_per_second": rate, "p50": p50, "p99": p99}))


if __name__ == "__main__":
    main()
