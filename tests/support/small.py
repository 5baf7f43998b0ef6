"""A classifier of two small layers and random weights, and what runs the modules of the repository on it."""

import contextlib
import json
import shutil
import subprocess

import numpy as np
import pytest

WORDS = "good bad film plot a dull brilliant thing of beauty it is not".split()
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", ",", "!", "[", "]"]
HIDDEN, INNER, LAYERS, HEADS, LENGTH = 16, 32, 2, 4, 24


@contextlib.contextmanager
def mounted(folder, *options):
    """A tmpfs of its own at `folder`, which takes root."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a tmpfs takes root: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def random_weights(layers=LAYERS):
    """A small BERT's {name below bert/: array}, named and shaped as in google-research/bert's checkpoints."""
    shapes = {
        "embeddings/word_embeddings": (len(VOCAB), HIDDEN),
        "embeddings/token_type_embeddings": (2, HIDDEN),
        "embeddings/position_embeddings": (64, HIDDEN),
        "pooler/dense/kernel": (HIDDEN, HIDDEN),
    }
    for layer in (f"encoder/layer_{i}" for i in range(layers)):
        for name in ("query", "key", "value"):
            shapes[f"{layer}/attention/self/{name}/kernel"] = (HIDDEN, HIDDEN)
        shapes[f"{layer}/attention/output/dense/kernel"] = (HIDDEN, HIDDEN)
        shapes[f"{layer}/intermediate/dense/kernel"] = (HIDDEN, INNER)
        shapes[f"{layer}/output/dense/kernel"] = (INNER, HIDDEN)
    shapes |= {name.replace("kernel", "bias"): shape[1:] for name, shape in shapes.items() if "kernel" in name}
    norms = [name.replace("dense/bias", "LayerNorm") for name in shapes if name.endswith("output/dense/bias")]
    shapes |= {f"{norm}/{name}": (HIDDEN,) for norm in ["embeddings/LayerNorm", *norms] for name in ("gamma", "beta")}
    random = np.random.default_rng(2)  # INT8 keeps more of these weights than of others
    deviation = {"gamma": 0.1, "beta": 0.1, "bias": 0.1}
    return {
        name: random.normal(name.endswith("gamma"), deviation.get(name.rpartition("/")[2], 0.4), shape).astype(
            np.float32
        )
        for name, shape in shapes.items()
    }


def random_texts(count):
    """Returns texts of WORDS, some of them empty, some longer than LENGTH."""
    random = np.random.default_rng(2)
    return [" ".join(random.choice(WORDS, random.integers(0, 2 * LENGTH))) for _ in range(count)]


def save_network(network, path, labels=("Negative", "Positive")):
    """Writes a classifier.xml of an ov.Model."""
    import openvino as ov  # today's only, as what follows

    from infer.ir import FP32, save_classifier, write_info
    from infer.precision import write_probes

    info = VOCAB, list(labels), True, LENGTH
    write_info(network, *info)
    write_probes(network, ov.Core().compile_model(network, "CPU", FP32), info)
    save_classifier(network, path)


def save(path, bias, labels=("Negative", "Positive")):
    """Writes a classifier.xml of random weights, whose head has this bias for the last label."""
    from infer.bert import build_classifier

    weight = np.random.default_rng(1).normal(size=(len(labels), HIDDEN)).astype(np.float32)
    biases = np.array([0] * (len(labels) - 1) + [bias], np.float32)
    save_network(build_classifier(random_weights(), HEADS, (weight, biases)), path, labels)


def save_broken(path):
    """Writes a classifier.xml which computes NaN wherever it reads "dull", and has no such probe."""
    import openvino as ov

    from infer.bert import build_classifier
    from infer.ir import save_classifier

    weights = random_weights()
    weights["embeddings/word_embeddings"][VOCAB.index("dull")] = np.nan
    head = np.ones((2, HIDDEN), np.float32), np.zeros(2, np.float32)
    save_network(build_classifier(weights, HEADS, head), path)
    network = ov.Core().read_model(path)
    network.set_rt_info(json.dumps({"texts": ["good"], "probabilities": [[0.5, 0.5]]}), ["classifier", "probes"])
    save_classifier(network, path)


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    """The path of a classifier.xml of random weights, which takes one half of random_texts for positive."""
    from infer import Classifier

    path = tmp_path_factory.mktemp("classifier") / "classifier.xml"
    save(path, 0)
    negative, positive = Classifier(path).predict_window(random_texts(200)).T
    save(path, -np.median(np.log(positive / negative)))
    shutil.rmtree(path.with_suffix(".cache"))
    spread = np.ptp(Classifier(path).predict_window(random_texts(200))[:, 1])
    assert spread > 0.2, f"it answers every text alike: a spread of {spread}"
    shutil.rmtree(path.with_suffix(".cache"))
    return path
