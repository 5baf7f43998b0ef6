"""The contenders: each function loads one and returns predict(texts) -> float32 probabilities (texts, labels).

Each runs in its own environment, `tensorflow` on Python 3.7, so each function imports what it needs. Its argument has
  model: path of the file or folder to load.
  tokenizer: folder of vocab.txt and tokenizer_config.json; texts longer than its model_max_length are truncated.
  threads: int, the number of threads to compute with.
  setting: str, one of __main__.py's settings for it, or "".
  hint: "throughput" for many texts at once, "latency" for one.
OpenVINO's and ONNX Runtime's have predict(texts, batch_size=32, max_seq_length=None), to measure how they scale.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np

from infer.head import softmax
from infer.ports import INPUTS, OUTPUT

BATCH_SIZE = 32


def read_tokenizer(folder):
    """Returns (path of vocab.txt, do_lower_case, max_seq_length)."""
    config = json.loads(Path(folder, "tokenizer_config.json").read_text(encoding="utf-8"))
    return str(Path(folder, "vocab.txt")), config["do_lower_case"], config["model_max_length"]


def load_encode(folder):
    """Returns (infer.text's function from texts to ids, (id of [CLS], id of [SEP]), max_seq_length)."""
    from infer.text.tokenizer import load_tokenizer, read_vocab

    vocab_file, do_lower_case, max_seq_length = read_tokenizer(folder)
    vocab = read_vocab(vocab_file)
    return load_tokenizer(vocab, do_lower_case), (vocab["[CLS]"], vocab["[SEP]"]), max_seq_length


def load_full_tokenizer(folder):
    """Returns the same with bert-tensorflow 1.0.1's FullTokenizer."""
    from tf1.flags import flags  # noqa: F401 (silences TensorFlow's warnings)

    # isort: split
    from bert.tokenization import FullTokenizer

    vocab_file, do_lower_case, max_seq_length = read_tokenizer(folder)
    tokenizer = FullTokenizer(vocab_file, do_lower_case)

    def encode(texts):
        return [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)) for text in texts]

    return encode, (tokenizer.vocab["[CLS]"], tokenizer.vocab["[SEP]"]), max_seq_length


def load_fast_tokenizer(folder):
    """Returns the same with Hugging Face's tokenizer, called as the pipelines below call it but for [CLS] and [SEP]."""
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(folder)

    def encode(texts):
        return tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]

    return encode, (tokenizer.cls_token_id, tokenizer.sep_token_id), tokenizer.model_max_length


def guide(args):
    """The guide's script: padded to the graph's length, one review at a time, the head in NumPy."""
    from infer.guide import load_classifier
    from infer.text.tokenizer import to_features

    predict_one, length, _ = load_classifier(args.model)
    encode, cls_sep_ids, max_seq_length = load_encode(args.tokenizer)

    def predict(texts):
        ids = [encode([text])[0][: max_seq_length - 2] for text in texts]
        return np.array([predict_one(to_features(pieces, cls_sep_ids, length)) for pieces in ids])

    return predict


def tensorflow(args):
    """TensorFlow's Session on the frozen graph, padded to its length, the head in NumPy."""
    encode, (cls, sep), max_seq_length = load_full_tokenizer(args.tokenizer)
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(Path(args.model).read_bytes())
    tf.import_graph_def(graph_def, name="")
    graph = tf.compat.v1.get_default_graph()
    length = graph.get_tensor_by_name(INPUTS[0]).shape[1].value
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=args.threads, inter_op_parallelism_threads=int(args.setting or 1)
    )
    session = tf.compat.v1.Session(config=config)
    run = session.make_callable(f"{OUTPUT}:0", feed_list=list(INPUTS))
    weight, bias = (np.load(str(Path(args.model).with_name(name))) for name in ("weight.npy", "bias.npy"))

    def predict(texts):
        features = np.zeros((3, len(texts), length), np.int32)
        for row, mask, pieces in zip(features[0], features[1], encode(texts)):
            pieces = [cls] + pieces[: max_seq_length - 2] + [sep]
            row[: len(pieces)], mask[: len(pieces)] = pieces, 1
        batches = (features[:, start : start + BATCH_SIZE] for start in range(0, len(texts), BATCH_SIZE))
        return softmax(np.concatenate([run(*batch) for batch in batches]) @ weight.T + bias)

    return predict


def openvino(args, precision="fp32"):
    """This repository's infer.Classifier, in one of its precisions."""
    import infer.classifier

    classifier = infer.classifier.Classifier(args.model, hint=args.hint, precision=precision)

    def predict(texts, batch_size=BATCH_SIZE, max_seq_length=None):
        infer.classifier.BATCH_SIZE = batch_size
        classifier.max_seq_length = max_seq_length or classifier.max_seq_length
        return np.array(list(classifier.predict(texts)))

    return predict


def onnxruntime(args):
    """ONNX Runtime on the batches of infer.Classifier; its setting is GRAPH,WORKERS; the workers share the threads."""
    from concurrent.futures import ThreadPoolExecutor

    import onnxruntime as ort

    from infer.text.tokenizer import to_batches, to_windows

    graph, workers = args.setting.split(",")
    workers = 1 if args.hint == "latency" else int(workers)
    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, args.threads // workers)
    session = ort.InferenceSession(str(Path(args.model, graph + ".onnx")), options, providers=["CPUExecutionProvider"])
    encode, cls_sep_ids, default_length = load_encode(args.tokenizer)
    names = ("input_ids", "attention_mask", "token_type_ids")
    executor = ThreadPoolExecutor(workers)

    def run(batch):
        indices, features = batch
        features = dict(zip(names, (feature.astype(np.int64) for feature in features)))
        return indices, session.run(None, features)[0]

    def predict_window(texts, batch_size, max_seq_length):
        batches = to_batches(encode(texts), cls_sep_ids, max_seq_length or default_length, batch_size)
        answers = {}
        for indices, rows in executor.map(run, batches) if workers > 1 else map(run, batches):
            answers.update(zip(indices, rows))
        return np.array([answers[i] for i in range(len(texts))])

    def predict(texts, batch_size=BATCH_SIZE, max_seq_length=None):
        return np.concatenate([predict_window(window, batch_size, max_seq_length) for window in to_windows(texts)])

    return predict


def ctranslate2(args):
    """CTranslate2 on the batches of infer.Classifier, the head in NumPy; its setting: WORKERS."""
    from concurrent.futures import ThreadPoolExecutor

    import ctranslate2

    from infer.text.tokenizer import to_batches, to_windows

    workers = 1 if args.hint == "latency" else int(args.setting)
    encoder = ctranslate2.Encoder(args.model, inter_threads=workers, intra_threads=max(1, args.threads // workers))
    encode, cls_sep_ids, max_seq_length = load_encode(args.tokenizer)
    weight, bias = (np.load(Path(args.tokenizer).with_name(name)) for name in ("weight.npy", "bias.npy"))
    executor = ThreadPoolExecutor(workers)

    def run(batch):
        indices, (input_ids, input_mask, _) = batch
        lengths = input_mask.sum(1, dtype=np.int32)
        output = encoder.forward_batch(*map(ctranslate2.StorageView.from_array, (input_ids, lengths)))
        return indices, softmax(np.array(output.pooler_output) @ weight.T + bias)

    def predict_window(texts):
        answers = {}
        batches = to_batches(encode(texts), cls_sep_ids, max_seq_length, BATCH_SIZE)
        for indices, rows in executor.map(run, batches) if workers > 1 else map(run, batches):
            answers.update(zip(indices, rows))
        return np.array([answers[i] for i in range(len(texts))])

    return lambda texts: np.concatenate([predict_window(window) for window in to_windows(texts)])


def load_pipeline(model, args):
    """Returns predict() with transformers' pipeline; with the setting "sorted" it gets the longest texts first."""
    from transformers import BertTokenizerFast, pipeline

    tokenizer = BertTokenizerFast.from_pretrained(args.tokenizer)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)
    ids = model.config.label2id

    def predict(texts):
        order = range(len(texts))
        if args.setting == "sorted":
            order = sorted(order, key=lambda i: -len(texts[i]))
        probabilities = np.empty((len(texts), len(ids)), np.float32)
        answers = classify([texts[i] for i in order], batch_size=BATCH_SIZE, truncation=True)
        for i, answer in zip(order, answers):
            for label in answer:
                probabilities[i, ids[label["label"]]] = label["score"]
        return probabilities

    return predict


def transformers(args, dtype="float32", compiled=False):
    """Hugging Face transformers' pipeline on PyTorch."""
    import torch
    from transformers import BertForSequenceClassification

    torch.set_num_threads(args.threads)
    model = BertForSequenceClassification.from_pretrained(args.model, torch_dtype=getattr(torch, dtype))
    if compiled:
        model.forward = torch.compile(model.forward, dynamic=True)
    return load_pipeline(model, args)


def optimum(args):
    """The same pipeline on Optimum's OpenVINO model, compiled once as infer.Classifier's is."""
    from optimum.intel import OVModelForSequenceClassification

    from infer.ir import FP32

    config = FP32 | {"CACHE_DIR": str(Path(args.model).with_suffix(".cache"))}
    return load_pipeline(OVModelForSequenceClassification.from_pretrained(args.model, ov_config=config), args)


LOADERS = {
    "guide": guide,
    "tensorflow": tensorflow,
    "openvino": openvino,
    "openvino-bf16": partial(openvino, precision="bf16"),
    "openvino-int8": openvino,
    "openvino-auto": partial(openvino, precision="auto"),
    "onnxruntime": onnxruntime,
    "onnxruntime-int8": onnxruntime,
    "transformers": transformers,
    "transformers-sorted": transformers,
    "transformers-bf16": partial(transformers, dtype="bfloat16"),
    "transformers-compiled": partial(transformers, compiled=True),
    "optimum": optimum,
    "optimum-sorted": optimum,
    "ctranslate2": ctranslate2,
    "ctranslate2-int8": ctranslate2,
}
TOKENIZERS = {"openvino": load_encode, "tensorflow": load_full_tokenizer, "transformers": load_fast_tokenizer}
