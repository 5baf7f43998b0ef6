"""This run's setup, from the records of its stages, in the form of published.json."""

import sys
from pathlib import Path

from infer.text.bert_config import count_weights
from report.read import read_record, read_text

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
# By inputs.reviews' names: what the reviews are, and why no film is in both samples.
CORPORA = {
    "rotten_tomatoes": ("Rotten Tomatoes, critics' snippets", "split by film"),
    "aclimdb": ("IMDB, whole reviews", "Stanford's split"),
}
ENDINGS = (".tar.gz", ".zip", "-py3-none-any.whl", "-huggingface")


def describe_model(config):
    """Returns the rows that follow from a bert_config.json."""
    # That of a TF Hub module has no number of heads.
    heads = f"A-{config['num_attention_heads']}, " if config.get("num_attention_heads") else ""
    size = f"L-{config['num_hidden_layers']}, H-{config['hidden_size']}, {heads}vocabulary {config['vocab_size']}"
    return {"model": [size], "parameters": [f"{count_weights(config) / 1e6:.1f} million"]}


def describe_dropout(layers):
    """Returns the dropout rates in encoder and head as text, from {layer: rate} of read_events; None for None."""
    if layers is None:
        return None
    places = {"encoder": set(), "head": set()}
    for name, rate in layers.items():
        places["encoder" if "bert/" in name else "head"].add(f"{rate:g}")
    return ", ".join(f"{place} {'/'.join(sorted(rates))}" for place, rates in places.items() if rates) or "off"


def positional_arguments(folder, record, stage, module):
    """Returns the first two positional arguments of `-m module` in a stage's record; exits if there are fewer."""
    command = record["command"]
    after = command[command.index(module) + 1 :] if module in command else []
    arguments = [argument for argument in after if not argument.startswith("--")]
    if len(arguments) < 2:
        sys.exit(f"{folder}/{stage}.record.json: not a record of {module}: remove it and run `make {stage}` again")
    return arguments[:2]


def archive_name(archive):
    """Returns the name of an archive's file without its extension."""
    name = Path(archive).name
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def describe_weights(folder, records):
    """Returns [name, note] of the pretrained weights, which are an archive's or a TF Hub module's."""
    handle = records["result1"]["flags"].get("bert_hub_module_handle")
    if handle and (Path(handle).parent / "pretrained.record.json").is_file():  # of make hub-module
        record = read_record(Path(handle).parent, "pretrained")
        _, weights = positional_arguments(folder, record, "pretrained", "tf1.pretrained")
        return [archive_name(weights), "as a TF Hub module made of the checkpoint"]
    if handle and "://" not in handle:
        return [Path(handle).name, "a TF Hub module in a folder"]
    if handle:  # https://tfhub.dev/google/bert_NAME/VERSION
        name = next(part for part in reversed(handle.split("/")) if part and not part.isdecimal())
        return [name.removeprefix("bert_"), "from TF Hub"]
    weights_format, weights = positional_arguments(folder, records["pretrained"], "pretrained", "tf1.pretrained")
    return ["random"] if weights_format == "random" else [archive_name(weights)]


def describe_reviews(folder, record):
    """Returns the rows on the reviews: of a corpus that inputs.reviews knows, or one's own, of inputs.own.

    Args:
      folder: build/PROFILE.
      record: dict, that of `make reviews`.
    """
    flags = record["flags"]
    if "inputs.own" in record["command"]:
        counts = (
            read_text(folder / "reviews" / f"{split}.jsonl", "reviews").count("\n") for split in ("train", "test")
        )
        source, variable = (flags["train"], "TRAIN") if "train" in flags else (flags.get("folder", "?"), "DATA_DIR")
        shared = "test_share" in flags
        return {
            "reviews": [Path(source).name, f"given as {variable}"],
            "sample": [" + ".join(map(str, counts)), f"{flags['test_share']} split off to test" if shared else None],
            "films": ["no text in both" if shared else "as given"],
            "sample_seed": [flags.get("random_seed")],
        }
    corpus, reviews = positional_arguments(folder, record, "reviews", "inputs.reviews")
    what, split = CORPORA.get(corpus, (corpus, None))
    return {
        "reviews": [archive_name(reviews), what],
        "sample": [f"{flags.get('train_size')} + {flags.get('test_size')}"],
        "films": ["no film in both", split],
        "sample_seed": [flags.get("random_seed")],
    }


def describe_run(folder, records, config, steps, dropout, ops):
    """Returns this run's setup, {row: [value, note]}, as in published.json.

    Args:
      folder: build/PROFILE, for messages.
      records: {stage: record} of reviews, result1, result2, ir, and pretrained or, with a TF Hub module, module.
      config: dict, the content of bert_config.json.
      steps: {"result1" and "result2": int}, global_step of eval_results.txt.
      dropout: {"result1", "result2" and "eval": {layer: rate} or None}, of the training and evaluation graphs.
      ops: int, those of the frozen encoder.
    """
    first, second = records["result1"], records["result2"]
    packages = first["packages"]
    return (
        describe_model(config)
        | describe_reviews(folder, records["reviews"])
        | {
            "weights": describe_weights(folder, records),
            "max_seq_length": [first["flags"].get("max_seq_length")],
            "train_batch_size": [first["flags"].get("train_batch_size")],
            "learning_rate": [first["flags"].get("learning_rate")],
            "num_train_epochs": [first["flags"].get("num_train_epochs")],
            "steps": [steps["result1"]],
            "warmup_proportion": [first["flags"].get("warmup_proportion", 0.1)],  # upstream's default
            "training_seed": [first["flags"].get("random_seed")],
            "dropout": [describe_dropout(dropout["result1"])],
            "second_phase": [
                f"steps {steps['result2']}, epochs {format_value(second['flags'].get('num_train_epochs'))}, "
                f"rate {format_value(second['flags'].get('learning_rate'))}, "
                f"dropout {format_value(describe_dropout(dropout['result2']))}"
            ],
            "predicting_dropout": [describe_dropout(dropout["eval"])],
            "tensorflow": [packages.get("tensorflow")],
            "model_code": [f"bert-tensorflow {packages.get('bert-tensorflow', '?')}"],
            "ops": [ops],
            "openvino": [records["ir"]["packages"].get("openvino")],
            "hardware": [f"{first['cpu']}, {first['cores']} cores"],
        }
    )


def format_value(value):
    """Returns a value as text, a number always in the same form: 2e-05 as 2e-5, 3.0 as 3."""
    try:
        return f"{float(value):g}".replace("e-0", "e-")
    except (TypeError, ValueError):
        return "not stated" if value is None else str(value)


def differs(ours, theirs):
    """Tells whether two [value, note] are known and of different values."""
    return None not in (ours[0], theirs[0]) and format_value(ours[0]) != format_value(theirs[0])
