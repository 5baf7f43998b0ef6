"""Run by test_checkpoints.py in the huggingface environment: a folder as transformers saves one, and what it answers.

python tests/pipeline/hugging_face_folder.py FOLDER VOCAB_FILE TEXTS LABEL...: random weights, transformers' own
configuration, tokenizer and model; none of this repository's code. Flags say in which of the forms that are about.
PyTorch saves the weights that are read here, and transformers' loader of these into TensorFlow shows that they are so.
"""

import argparse
import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from safetensors.tensorflow import save_file
from transformers import BertConfig, BertTokenizerFast, TFBertForSequenceClassification
from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model as load_as_pytorch

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("vocab_file")
parser.add_argument("texts")
parser.add_argument("labels", nargs="+")
parser.add_argument("--hidden_act", default="gelu")
parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
parser.add_argument("--old_names", action="store_true", help="no bert. before the names, gamma and beta")
parser.add_argument("--more", action="store_true", help="position_ids and the heads of pre-training too")
parser.add_argument("--shards", type=int, default=1)
parser.add_argument("--cased", action="store_true")
parser.add_argument("--tokenizer_json", action="store_true", help="no vocab.txt")
args = parser.parse_args()

random = np.random.default_rng(0)
config = BertConfig(
    vocab_size=sum(1 for _ in open(args.vocab_file, encoding="utf-8")),
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=64,
    hidden_act=args.hidden_act,
    architectures=["BertForSequenceClassification"],
    id2label=dict(enumerate(args.labels)),
    label2id={label: i for i, label in enumerate(args.labels)},
)
shapes = {
    "bert.embeddings.word_embeddings.weight": (config.vocab_size, 32),
    "bert.embeddings.position_embeddings.weight": (64, 32),
    "bert.embeddings.token_type_embeddings.weight": (2, 32),
    "bert.embeddings.LayerNorm.weight": (32,),
    "bert.pooler.dense.weight": (32, 32),
    "classifier.weight": (len(args.labels), 32),
}
for layer in ("bert.encoder.layer.0.", "bert.encoder.layer.1."):
    for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
        shapes[layer + name + ".weight"] = (32, 32)
    shapes[layer + "intermediate.dense.weight"] = (64, 32)
    shapes[layer + "output.dense.weight"] = (32, 64)
    shapes[layer + "attention.output.LayerNorm.weight"] = shapes[layer + "output.LayerNorm.weight"] = (32,)
tensors = {}
for name, shape in shapes.items():
    tensors[name] = random.normal("LayerNorm" in name, 0.4, shape)
    if "_embeddings" not in name:
        tensors[name.replace("weight", "bias")] = random.normal(0, 0.4, shape[:1])
tensors = {name: tf.cast(array, args.dtype) for name, array in tensors.items()}

model, loading = load_as_pytorch(
    TFBertForSequenceClassification(config),
    {name: tf.cast(tensor, tf.float32).numpy() for name, tensor in tensors.items()},
    output_loading_info=True,
)
assert not any(loading.values()), loading

config.save_pretrained(args.folder)
tokenizer = BertTokenizerFast(args.vocab_file, do_lower_case=not args.cased, model_max_length=24)
tokenizer.save_pretrained(args.folder)
if args.tokenizer_json:
    os.remove(os.path.join(args.folder, "vocab.txt"))
if args.old_names:
    tensors = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
if args.more:
    tensors["bert.embeddings.position_ids"] = tf.range(64, dtype=tf.int64)[None]
    tensors["cls.predictions.bias"] = tf.zeros([config.vocab_size])
    tensors["cls.predictions.transform.LayerNorm.weight"] = tf.ones([32])
    tensors["cls.seq_relationship.weight"] = tf.ones([2, 32])
names, weight_map = sorted(tensors), {}
for i in range(args.shards):
    file = "model.safetensors" if args.shards == 1 else f"model-{i + 1:05}-of-{args.shards:05}.safetensors"
    weight_map.update(dict.fromkeys(names[i :: args.shards], file))
    part = {name: tensors[name] for name in names[i :: args.shards]}
    save_file(part, os.path.join(args.folder, file), metadata={"format": "pt"})
if args.shards > 1:
    with open(os.path.join(args.folder, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {}, "weight_map": weight_map}, file)

with open(args.texts, encoding="utf-8") as file:
    lines = file.read().split("\n")[:-1]
features = tokenizer(lines, padding=True, truncation=True, max_length=24, return_tensors="tf")
np.savetxt(os.path.join(args.folder, "test_results.tsv"), tf.nn.softmax(model(features).logits).numpy(), delimiter="\t")
