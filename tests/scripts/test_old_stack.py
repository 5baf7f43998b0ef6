"""The guide's exact old stack, TensorFlow 1.12 on Python 3.6, beside this one: `make old-stack`."""

import os
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from training import PORTS, ROOT

REVIEWS = ["That movie was absolutely awful", "The film was creative and surprising", "Absolutely fantastic!"]


@pytest.mark.old_stack
def test_tensorflow_1_12_freezes_the_same_graph_and_computes_the_same(l12, tmp_path):
    from bert.tokenization import FullTokenizer

    tokenizer = FullTokenizer(l12 + "/pretrained/vocab.txt")
    input_ids = np.zeros((len(REVIEWS), 16), np.int32)
    for row, review in zip(input_ids, REVIEWS):
        tokens = ["[CLS]", *tokenizer.tokenize(review), "[SEP]"]
        row[: len(tokens)] = tokenizer.convert_tokens_to_ids(tokens)
    np.save(str(tmp_path / "ids.npy"), input_ids)

    graph_def = tf.compat.v1.GraphDef()
    with open(l12 + "/bert-finetune.pb", "rb") as file:
        graph_def.ParseFromString(file.read())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        (pooled,) = tf.import_graph_def(graph_def, return_elements=["bert/pooler/dense/Tanh:0"], name="")
        mask = (input_ids > 0).astype(np.int32)
        new = session.run(pooled, dict(zip(PORTS, (input_ids, mask, np.zeros_like(mask)))))

    python = os.path.join(ROOT, ".tox/tf112/bin/python")
    files = [f"{l12}/pretrained/{name}" for name in ("bert_config.json", "vocab.txt")]
    files += [f"{l12}/result2/model.ckpt-2", str(tmp_path / "ids.npy"), str(tmp_path / "out")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-W", "ignore", os.path.join(ROOT, "tests/scripts/old_stack.py"), *files],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    version, ops = done.stdout.split()
    old = np.load(str(tmp_path / "out" / "pooled.npy"))
    difference = np.abs(old - new).max()
    print(f"\nTensorFlow {version}: {ops} ops; {tf.__version__}: {len(graph_def.node)} ops")
    print(f"pooled output of {len(old)} reviews: largest difference {difference:.2g}, deviation {new.std():.2g}")
    assert version == "1.12.0" and tf.__version__ == "1.15.0"
    assert int(ops) == len(graph_def.node) == 1636
    assert difference <= 1e-5 < new.std()
