"""Run by test_forms.py in the huggingface environment: what Hugging Face's code and ONNX Runtime make of texts.

python tests/products/hugging_face.py FOLDER|FILE.onnx [TOKENIZER]: texts as JSON from standard input; to standard
output JSON with the labels, the probabilities of each text in their order, and the ids that its tokenizer gives.
"""

import json
import os
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TF_CPP_MIN_LOG_LEVEL": "3"}

import onnxruntime  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402
from transformers import AutoConfig, AutoTokenizer, TFBertForSequenceClassification, pipeline  # noqa: E402
from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model  # noqa: E402


def load_model(folder):
    """Returns transformers' TensorFlow model of a folder; its from_pretrained can't iterate safetensors' files."""
    model = TFBertForSequenceClassification(AutoConfig.from_pretrained(folder))
    tensors = load_file(Path(folder, "model.safetensors"))
    model, found = load_pytorch_state_dict_in_tf2_model(model, tensors, output_loading_info=True)
    assert not any(found.values()), found
    return model


def by_transformers(folder, texts):
    """Returns (labels, probabilities), by the pipeline in batches of 16."""
    model, tokenizer = load_model(folder), AutoTokenizer.from_pretrained(folder)
    classify = pipeline(
        "text-classification", model, tokenizer=tokenizer, framework="tf", dtype=None, truncation=True, top_k=None
    )
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    answers = [{label["label"]: label["score"] for label in answer} for answer in classify(texts, batch_size=16)]
    return labels, [[answer[label] for label in labels] for answer in answers]


def by_onnx_runtime(file, tokenizer, texts):
    """Returns (labels, probabilities), in batches of 7, each padded to its longest text."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    rows = []
    for start in range(0, len(texts), 7):
        features = tokenizer(texts[start : start + 7], truncation=True, padding=True, return_tensors="np")
        rows += session.run(["probabilities"], dict(features))[0].tolist()
    return json.loads(session.get_modelmeta().custom_metadata_map["labels"]), rows


texts, tokenizer = json.load(sys.stdin), AutoTokenizer.from_pretrained(sys.argv[-1])
if sys.argv[1].endswith(".onnx"):
    labels, probabilities = by_onnx_runtime(sys.argv[1], tokenizer, texts)
else:
    labels, probabilities = by_transformers(sys.argv[1], texts)
ids = tokenizer(texts, truncation=True)["input_ids"]
json.dump({"labels": labels, "probabilities": probabilities, "ids": ids}, sys.stdout)
