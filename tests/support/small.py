"""A classifier of two small layers and random weights, and what runs the modules of the repository on it."""

import contextlib
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


def random_weights():
    """A small BERT's {name below bert/: array}, named and shaped as in google-research/bert's checkpoints."""
    shapes = {
        "embeddings/word_embeddings": (len(VOCAB), HIDDEN),
        "embeddings/token_type_embeddings": (2, HIDDEN),
        "embeddings/position_embeddings": (64, HIDDEN),
        "pooler/dense/kernel": (HIDDEN, HIDDEN),
    }
    for layer in (f"encoder/layer_{i}" for i in range(LAYERS)):
        for name in ("query", "key", "value"):
            shapes[f"{layer}/attention/self/{name}/kernel"] = (HIDDEN, HIDDEN)
        shapes[f"{layer}/attention/output/dense/kernel"] = (HIDDEN, HIDDEN)
        shapes[f"{layer}/intermediate/dense/kernel"] = (HIDDEN, INNER)
        shapes[f"{layer}/output/dense/kernel"] = (INNER, HIDDEN)
    shapes |= {name.replace("kernel", "bias"): shape[1:] for name, shape in shapes.items() if "kernel" in name}
    norms = [name.replace("dense/bias", "LayerNorm") for name in shapes if name.endswith("output/dense/bias")]
    shapes |= {f"{norm}/{name}": (HIDDEN,) for norm in ["embeddings/LayerNorm", *norms] for name in ("gamma", "beta")}
    random = np.random.default_rng(0)
    return {
        name: random.normal(name.endswith("gamma"), 0.5, shape).astype(np.float32) for name, shape in shapes.items()
    }


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    """The path of a classifier.xml of random weights."""
    from infer.bert import build_classifier  # of today's OpenVINO only
    from infer.ir import save_classifier, write_info

    random = np.random.default_rng(1)
    head = random.normal(size=(2, HIDDEN)).astype(np.float32), np.zeros(2, np.float32)
    network = build_classifier(random_weights(), HEADS, head)
    write_info(network, VOCAB, ["Negative", "Positive"], True, LENGTH)
    path = tmp_path_factory.mktemp("classifier") / "classifier.xml"
    save_classifier(network, path)
    return path
