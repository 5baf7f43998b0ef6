"""This run's setup, from the records its stages left, beside the published ones."""

import sys
from pathlib import Path

ROWS = {
    "weights": "weights",
    "model": "model",
    "parameters": "parameters",
    "reviews": "reviews",
    "sample": "sample, training + test",
    "sample_seed": "seed of the sample",
    "films": "films in training and test",
    "max_seq_length": "max_seq_length",
    "train_batch_size": "batch",
    "learning_rate": "learning rate",
    "num_train_epochs": "epochs",
    "steps": "steps",
    "warmup_proportion": "warm-up, share of steps",
    "training_seed": "seed of training",
    "dropout": "dropout in training",
    "second_phase": "second phase",
    "predicting_dropout": "dropout in evaluation and prediction",
    "tensorflow": "TensorFlow",
    "model_code": "model code",
    "ops": "ops in the frozen encoder",
    "openvino": "OpenVINO",
    "hardware": "trained on",
}
# Of inputs.reviews: what the reviews are, and why no film is in both samples.
CORPORA = {
    "rotten_tomatoes": ("Rotten Tomatoes, critics' snippets", "split by film"),
    "aclimdb": ("IMDB, whole reviews", "Stanford's split"),
}
ENDINGS = (".tar.gz", ".zip", "-py3-none-any.whl")


def count_parameters(config):
    """Returns the number of parameters of google-research/bert's encoder, pooler included, without the head."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    dense = hidden * (hidden + 1)
    norm = 2 * hidden
    layer = 4 * dense + norm + (hidden * inner + inner) + (inner * hidden + hidden) + norm
    tables = config["vocab_size"] + config["max_position_embeddings"] + config["type_vocab_size"]
    return tables * hidden + norm + config["num_hidden_layers"] * layer + dense


def describe_model(config):
    """Returns the rows that follow from a bert_config.json."""
    # A module's variables don't tell its heads.
    heads = f"A-{config['num_attention_heads']}, " if config.get("num_attention_heads") else ""
    size = f"L-{config['num_hidden_layers']}, H-{config['hidden_size']}, {heads}vocabulary {config['vocab_size']}"
    return {"model": [size], "parameters": [f"{count_parameters(config) / 1e6:.1f} million"]}


def describe_dropout(layers):
    """Returns `off`, or the rates in the encoder and in the head, of {name: rate} as report.read.read_events has it."""
    if layers is None:
        return None
    places = {"encoder": set(), "head": set()}
    for name, rate in layers.items():
        places["encoder" if "bert/" in name else "head"].add(f"{rate:g}")
    return ", ".join(f"{place} {'/'.join(sorted(rates))}" for place, rates in places.items() if rates) or "off"


def positional(folder, records, stage, module):
    """Returns the two words that follow `-m module` in the command of a stage's record."""
    command = records[stage]["command"]
    words = (
        [word for word in command[command.index(module) + 1 :] if not word.startswith("--")]
        if module in command
        else []
    )
    if len(words) < 2:
        sys.exit(f"{folder}/{stage}.record.json: not a record of {module}: remove it and run `make {stage}` again")
    return words[:2]


def stem(archive):
    """Returns an archive's name without folder and ending."""
    name = Path(archive).name
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def describe_weights(folder, records):
    """Returns [name, note] of the pretrained weights: of an archive, or of a TF Hub module."""
    handle = records["result1"]["flags"].get("bert_hub_module_handle")
    if handle and "://" not in handle:
        return [Path(handle).name, "a TF Hub module in a folder"]
    if handle:  # https://tfhub.dev/google/bert_NAME/VERSION
        name = next(part for part in reversed(handle.split("/")) if part and not part.isdecimal())
        return [name.removeprefix("bert_"), "from TF Hub"]
    weights_format, weights = positional(folder, records, "pretrained", "inputs.pretrained")
    return ["random"] if weights_format == "random" else [stem(weights)]


def describe_run(folder, records, config, steps, dropout, ops):
    """Returns this run's setup as published.json has the others': {row: [value, note]}.

    Args:
      folder: build/PROFILE, for messages.
      records: {stage: record} of pretrained or, of a TF Hub module, module; reviews, result1, result2 and ir.
      config: bert_config.json.
      steps: {"result1", "result2": int}, global_step of eval_results.txt.
      dropout: {"result1", "result2", "eval": {layer: rate} or None}, of the training and evaluation graphs.
      ops: of the frozen encoder.
    """
    corpus, reviews = positional(folder, records, "reviews", "inputs.reviews")
    what, split = CORPORA.get(corpus, (corpus, None))
    own = corpus == "aclimdb" and not reviews.endswith(ENDINGS)
    sample = records["reviews"]["flags"]
    first, second = records["result1"], records["result2"]
    packages = first["packages"]
    return describe_model(config) | {
        "weights": describe_weights(folder, records),
        "reviews": [stem(reviews), "given as DATA_DIR" if own else what],
        "sample": [f"{sample.get('train_size')} + {sample.get('test_size')}"],
        "films": ["as given"] if own else ["no film in both", split],
        "sample_seed": [sample.get("random_seed")],
        "max_seq_length": [first["flags"].get("max_seq_length")],
        "train_batch_size": [first["flags"].get("train_batch_size")],
        "learning_rate": [first["flags"].get("learning_rate")],
        "num_train_epochs": [first["flags"].get("num_train_epochs")],
        "steps": [steps["result1"]],
        "warmup_proportion": [first["flags"].get("warmup_proportion", 0.1)],  # upstream's default
        "training_seed": [first["flags"].get("random_seed")],
        "dropout": [describe_dropout(dropout["result1"])],
        "second_phase": [
            f"steps {steps['result2']}, epochs {plain(second['flags'].get('num_train_epochs'))}, "
            f"rate {plain(second['flags'].get('learning_rate'))}, dropout {plain(describe_dropout(dropout['result2']))}"
        ],
        "predicting_dropout": [describe_dropout(dropout["eval"])],
        "tensorflow": [packages.get("tensorflow")],
        "model_code": [f"bert-tensorflow {packages.get('bert-tensorflow', '?')}"],
        "ops": [ops],
        "openvino": [records["ir"]["packages"].get("openvino")],
        "hardware": [f"{first['cpu']}, {first['cores']} cores"],
    }


def plain(value):
    """Returns a value as text, numbers the same however they were written: 2e-05 is 2e-5, 3.0 is 3."""
    try:
        return f"{float(value):g}".replace("e-0", "e-")
    except (TypeError, ValueError):
        return "not stated" if value is None else str(value)


def differs(ours, theirs):
    """Returns whether two values are known and not the same; their notes don't count."""
    return None not in (ours[0], theirs[0]) and plain(ours[0]) != plain(theirs[0])
