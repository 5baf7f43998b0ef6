"""What a classifier is computed in, and what each of them costs on this machine.

A classifier has probes in its rt_info: texts, and the probabilities that FP32 gave them when it was made. They are
those of probes.txt and the guide's reviews, so no user's text travels with a classifier: sentences as people write
them, as words drawn at random leave a classifier undecided, where any rounding changes the label. By them a machine
that computes wrongly is found, and precision="auto" chooses.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from infer.text.examples import GUIDE_REVIEWS, read_lines
from infer.text.tokenizer import load_tokenizer, to_batches

PRECISIONS = ("fp32", "bf16", "int8", "auto")
EXACT = 1e-4  # in probability: what FP32 may differ by between machines, and OpenVINO from TensorFlow
TOLERANCE = 0.05  # in probability: what the others may
KEY = "probes"  # in rt_info, beside infer.ir's KEYS
PROBES = Path(__file__).with_name("probes.txt")
FIRST = 8  # of them, the shortest: what a machine is tried on at its first start
REPEATS, CALLS = 3, 10  # all probes at once, and each time so often a single one


class Cost(NamedTuple):
    """What a precision costs, and what for."""

    deviation: float  # the largest difference from FP32's probabilities, over the probes
    changed: int  # probes whose label is another
    texts_per_second: float  # all probes at once, the median
    seconds: float  # for a short one, the median


def write_probes(network, compute, info):
    """Writes the probes into the rt_info of an ov.Model.

    Args:
      network: the ov.Model.
      compute: ov.CompiledModel of it, in FP32.
      info: (list of the vocabulary's tokens, labels, do_lower_case, max_seq_length), as of infer.ir's KEYS.
    """
    vocab, _, do_lower_case, max_seq_length = info
    ids = {token: i for i, token in enumerate(vocab)}
    texts = sorted(read_lines(PROBES) + read_lines(GUIDE_REVIEWS), key=len)
    pieces, frame = load_tokenizer(ids, do_lower_case)(texts), (ids["[CLS]"], ids["[SEP]"])
    probabilities = {i: compute(row)[0][0] for (i,), row in to_batches(pieces, frame, max_seq_length, 1)}
    answers = [probabilities[i].tolist() for i in range(len(texts))]
    network.set_rt_info(json.dumps({"texts": texts, "probabilities": answers}), ["classifier", KEY])


def read_probes(info, num_labels):
    """Returns (texts, float array of their probabilities (texts, labels)) in infer.ir.read_info's.

    Raises: ValueError if they are not there, or are not such.
    """
    try:
        found = json.loads(info[KEY])
        texts, probabilities = found["texts"], np.array(found["probabilities"], float)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("no probes in its rt_info") from error
    if not texts or probabilities.shape != (len(texts), num_labels) or not all(isinstance(text, str) for text in texts):
        raise ValueError("its probes make no sense")
    return texts, probabilities


def check_machine(compute, probes):
    """Raises ValueError if this machine's FP32 has other probabilities than that on which the classifier was made.

    Args:
      compute: function of a list of str to their probabilities (texts, labels).
      probes: read_probes'.
    """
    texts, expected = probes
    deviation = np.abs(compute(texts[:FIRST]) - expected[:FIRST]).max()
    if not deviation <= EXACT:
        raise ValueError(
            f"FP32 is computed wrongly here: probabilities differ by {deviation:.2g} from those that the classifier "
            "had where it was made: use another machine, or another version of OpenVINO"
        )


def timed(classifier, texts):
    """Returns the seconds that an answer takes."""
    start = time.perf_counter()
    classifier.predict_window(texts)
    return time.perf_counter() - start


def measure(classifiers, probes):
    """Returns {precision: Cost} of {precision: infer.Classifier}, run in turns."""
    texts, expected = probes
    one = texts[len(texts) // 4 :][:1]
    seconds = {name: ([], []) for name in classifiers}
    answers = {name: classifier.predict_window(texts) for name, classifier in classifiers.items()}
    for classifier in classifiers.values():
        classifier.predict_window(one)  # what is first used is then compiled
    for _ in range(REPEATS):
        for name, classifier in classifiers.items():
            seconds[name][0].append(timed(classifier, texts))
            seconds[name][1].extend(timed(classifier, one) for _ in range(CALLS))
    return {
        name: Cost(
            float(np.abs(probabilities - expected).max()),
            int((probabilities.argmax(1) != expected.argmax(1)).sum()),
            len(texts) / float(np.median(seconds[name][0])),
            float(np.median(seconds[name][1])),
        )
        for name, probabilities in answers.items()
    }


def fastest(costs, tolerance, hint):
    """Returns the precision that is fastest, of one text if the hint is "latency", of those within the tolerance.

    Args:
      costs: measure's.
      tolerance: in probability; a label of a probe that changes is never within it.
    Where there is none but FP32, or not even that, it is "fp32".
    """
    within = {name: cost for name, cost in costs.items() if not cost.changed and cost.deviation <= tolerance}
    if hint == "latency":
        return min(within, key=lambda name: within[name].seconds, default="fp32")
    return max(within, key=lambda name: within[name].texts_per_second, default="fp32")
