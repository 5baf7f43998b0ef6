"""How long a training step takes: python -m bench.train_step FRAMEWORK BUILD; prints a line of JSON.

`tensorflow` is run_classifier.py's own step, and runs in the tf1 environment, on Python 3.7; `torch` is what a user of
transformers writes for the same, in that of bench. Both fine-tune the run's model on one batch of its reviews, all
padded to its length as in training, with dropout and clipped gradients.
"""

import argparse
import json
import os
import statistics
import time

from bench.contenders import read_tokenizer
from infer.text.examples import read_examples
from infer.text.script import run

BATCH_SIZE = 32
LEARNING_RATE = 2e-5
WARM_UP, STEPS = 3, 20


def tensorflow(build, rows):
    """Returns step(), which updates the weights once by TensorFlow and AdamWeightDecay."""
    from tf1.flags import FLAGS  # isort: split
    import run_classifier
    from run_classifier import tf

    folder = os.path.join(build, "huggingface")
    vocab_file, do_lower_case, max_seq_length = read_tokenizer(folder)
    FLAGS(["", "--output_dir=", f"--vocab_file={vocab_file}", f"--max_seq_length={max_seq_length}"])
    features = run_classifier.to_features([(row["review"], row["label"]) for row in rows], vocab_file, do_lower_case)
    names = ("input_ids", "input_mask", "segment_ids", "label_id")
    batch = {
        name.replace("label_id", "label_ids"): tf.constant([getattr(feature, name) for feature in features], tf.int32)
        for name in names
    }
    with open(os.path.join(folder, "config.json")) as file:
        config = run_classifier.modeling.BertConfig.from_dict(dict(json.load(file), hidden_act="gelu"))
    labels = 1 + max(row["label"] for row in rows)
    model_fn = run_classifier.model_fn_builder(config, labels, None, LEARNING_RATE, 1000, 100)
    train_op = model_fn(batch, None, tf.estimator.ModeKeys.TRAIN, {}).train_op
    session = tf.compat.v1.Session(config=run_classifier.session_config())
    session.run(tf.compat.v1.global_variables_initializer())  # other weights take as long
    return lambda: session.run(train_op)


def torch(build, rows):
    """Returns step(), which updates the weights once by PyTorch and its AdamW."""
    import torch
    from transformers import BertForSequenceClassification, BertTokenizerFast

    folder = os.path.join(build, "huggingface")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = BertForSequenceClassification.from_pretrained(folder).train()
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0.01)
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    texts = [row["review"] for row in rows]
    batch = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    labels = torch.tensor([row["label"] for row in rows])

    def step():
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


FRAMEWORKS = {"tensorflow": tensorflow, "torch": torch}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.train_step", description=__doc__)
    parser.add_argument("framework", choices=FRAMEWORKS, help="what trains")
    parser.add_argument("build", help="the build, with reviews/train.jsonl and what `make huggingface` writes")
    args = parser.parse_args()
    rows = read_examples(os.path.join(args.build, "reviews", "train.jsonl"))[:BATCH_SIZE]
    step = FRAMEWORKS[args.framework](args.build, rows)
    seconds = []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"step": statistics.median(seconds[WARM_UP:])}))


if __name__ == "__main__":
    run(main)
