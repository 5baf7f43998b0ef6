"""Compares this run with the notebook and the guide: `python -m report.compare build/PROFILE --profile=PROFILE`.

Writes compare.md, its plots and compare.html, a self-contained page, to the folder compare/ in build/PROFILE.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np

from infer.text.examples import read_examples
from infer.text.labels import read_labels
from infer.text.long import LONG
from infer.text.script import run
from report import ablation, mistakes, page, plots, read, scores
from report.metrics import read_probabilities
from report.sections import write_page
from report.setting import describe_model, describe_run
from report.uncertainty import estimate

RESULTS = {"result1": "no-dropout", "result2": "second-phase"}  # stage: the ablation's variant with its weights
STAGES = ("reviews", *RESULTS, "ir")
# Of a TF Hub module's bert_config.json, too, which has no num_attention_heads.
CONFIG_KEYS = (
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
)


def read_phase(folder, stage, num_labels):
    """Reads what training left in build/PROFILE/`stage`; exits with one line if something is missing.

    Returns: (results: as report.read.read_results; curves: as report.plots.plot_training takes them;
      dropout of the training graph, dropout of the evaluation graph: as report.read.read_events).
    """
    results = read.read_results(folder / stage / "eval_results.txt", stage, num_labels)
    train, train_dropout = read.read_events(folder / stage, stage)
    test, eval_dropout = read.read_events(folder / stage / "eval", stage)
    loss = train.get("loss") or train.get("loss_1")  # TPUEstimator's name for its own
    if not loss:
        sys.exit(f"{folder / stage}/events.out.tfevents.*: no loss in them: make them with `make {stage}`")
    curves = {
        "loss": {"train": loss, "eval": test.get("eval_loss")},
        "accuracy": {"train": train.get("train_accuracy"), "eval": test.get("eval_accuracy")},
    }
    return results, curves, train_dropout, eval_dropout


def read_by_length(folder, num_labels):
    """Reads what infer.by_length left in build/PROFILE/by-length; exits with one line if something is missing.

    Returns: dict of room (int, the WordPieces that the model reads), lengths (int array (reviews,), those of the test
      reviews) and answers: {way to read the longer ones: as of read_probabilities}.
    """
    path = folder / "by-length" / "lengths.json"
    found = read.read_json(path, "compare", ("room", "lengths"))
    answers = {long: read_probabilities(path.with_name(f"{long}.tsv"), num_labels, "compare") for long in LONG}
    if {len(labels) for labels, _ in answers.values()} != {len(found["lengths"])}:
        sys.exit(f"{path}: not of as many reviews as the files beside it: remove them and run `make compare` again")
    return {"room": found["room"], "lengths": np.array(found["lengths"]), "answers": answers}


def read_texts(folder, answers):
    """Returns the test reviews' texts, list of str; exits unless `answers`, {path: (labels, …)}, are of them."""
    path = folder / "reviews" / "test.jsonl"
    if not path.is_file():
        sys.exit(f"{path}: no such file: make it with `make reviews`")
    rows = read_examples(path)
    labels = [row["label"] for row in rows]
    for other, (found, _) in answers.items():
        if found.tolist() != labels:
            sys.exit(f"{other}: its labels are not those of {path}: remove it and run `make compare` again")
    return [row["review"] for row in rows]


def read_all_predictions(folder, labels):
    """Returns ({engine: predictions}, what they say of their differences or None); exits if reviews are not the same.

    Those of `make old-stack` are among them, if there are any.
    """
    paths = {"TensorFlow": folder / "predict/tensorflow/predictions.txt", "OpenVINO": folder / "predict/openvino.txt"}
    if (old := folder / "old-stack/openvino.txt").exists():
        paths["OpenVINO 2021"] = old
    predictions, closings = {}, []
    for engine, path in paths.items():
        predictions[engine], closing = read.read_predictions(path, labels)
        closings += [closing] if closing else []
        if [review for review, _, _ in predictions[engine]] != [review for review, _, _ in predictions["TensorFlow"]]:
            again = "it again with `make old-stack`" if path == old else "both with `make predict`"
            sys.exit(f"{path}: not the reviews of {paths['TensorFlow']}: make {again}")
    return predictions, "; ".join(closings)


def read_run(folder, pretrained_dir):
    """Reads everything in build/PROFILE that the page needs; exits with one line if something is missing.

    Args:
      folder: Path of the build.
      pretrained_dir: Path of the folder of pretrained/ and its record.

    Returns: dict of labels (list of str), records, results, curves (as report.plots.plot_training takes them), setup
      (as report.setting.describe_run), predictions (by engine), closing (the lines on their differences), ablation,
      models (as report.plots.plot_confusion takes them), estimates and differences (of result1 and result2, as
      report.uncertainty.estimate has them), texts (of the test reviews) and by_length (as of read_by_length).
    """
    labels = read_labels(folder / "reviews")
    records = {stage: read.read_record(folder, stage) for stage in STAGES}
    weights = "module" if "bert_hub_module_handle" in records["result1"]["flags"] else "pretrained"
    weights_dir = folder if weights == "module" else pretrained_dir
    records[weights] = read.read_record(weights_dir, weights)
    config = read.read_json(weights_dir / weights / "bert_config.json", weights, CONFIG_KEYS)
    results, curves, dropout, eval_dropouts, models = {}, {}, {}, [], {}
    for stage, variant in RESULTS.items():
        results[stage], curves[stage], dropout[stage], eval_dropout = read_phase(folder, stage, len(labels))
        eval_dropouts.append(eval_dropout)
        models[stage] = read_probabilities(folder / "ablation" / variant / "probabilities-1.tsv", len(labels))
    dropout["eval"] = None if None in eval_dropouts else eval_dropouts[0] | eval_dropouts[1]
    steps = {stage: int(results[stage]["global_step"]) for stage in RESULTS}
    ops, _ = ablation.count_ops(folder / "bert-finetune.pb", "pb")
    predictions, closing = read_all_predictions(folder, labels)
    by_length = read_by_length(folder, len(labels))
    answers = {folder / "ablation" / variant: models[stage] for stage, variant in RESULTS.items()}
    texts = read_texts(folder, answers | {folder / "by-length" / long: by_length["answers"][long] for long in LONG})
    estimates, differences = estimate({stage: [data] for stage, data in models.items()}, [tuple(RESULTS)])
    return {
        "labels": labels,
        "records": records,
        "results": results,
        "curves": curves,
        "setup": describe_run(folder, records, config, steps, dropout, ops),
        "predictions": predictions,
        "closing": closing,
        "ablation": read.read_json(
            folder / "ablation" / "results.json", "ablation", ("rows", "variants", "reviews", "comparisons")
        ),
        "models": models,
        "estimates": estimates,
        "differences": differences[tuple(RESULTS)],
        "texts": texts,
        "by_length": by_length,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="build/PROFILE, with all stages made")
    parser.add_argument("--pretrained_dir", type=Path, help="the folder of pretrained/, if not the same")
    parser.add_argument("--profile", required=True, help="the profile's name, for the page")
    args = parser.parse_args()
    published = json.loads(Path(__file__).with_name("published.json").read_text())
    for entry in published.values():
        entry["setup"] |= describe_model(entry["config"])
    run = read_run(args.folder, args.pretrained_dir or args.folder)
    text = write_page(args.profile, run, published)
    write_folder(args.folder / "compare", text, draw(run, published))


def draw(run, published):
    """Returns {name: figure} of all that the page shows."""
    accuracies = [(stage, run["estimates"][stage]["accuracy"], True) for stage in RESULTS]
    accuracies += [(name, scores.estimate_published(entry)["accuracy"], False) for name, entry in published.items()]
    baseline = scores.find_baseline(run["models"]["result1"][0])[1].value
    by_length = {
        stage: [
            (name, mistakes.accuracy_of(data, chosen), None, True)
            for name, chosen in mistakes.classes_of(run["by_length"]["lengths"]).items()
        ]
        for stage, data in run["models"].items()
    }
    ends = [end for rows in by_length.values() for _, accuracy, *_ in rows for end in accuracy[1:]]
    limits = min(ends) - 0.01, max(ends) + 0.01  # the same for both
    by_stage = {
        "training": plots.plot_training(run["curves"], len(run["labels"])),
        "confusion": plots.plot_confusion(run["models"], run["labels"]),
        "reliability": plots.plot_reliability(run["models"]),
        "length": {
            stage: plots.plot_shares(rows, f"{stage}: accuracy by WordPieces", limits=limits)
            for stage, rows in by_length.items()
        },
    }
    return {
        "accuracy": plots.plot_shares(
            [(name, accuracy, baseline if own else None, own) for name, accuracy, own in accuracies]
        ),
        **{f"{name}-{stage}": figure for name, figures in by_stage.items() for stage, figure in figures.items()},
        "ablation": plots.plot_ablation(run["ablation"]),
    }


def write_folder(folder, text, figures):
    """Writes compare.md, compare.html and the figures to the folder, which is replaced once all are whole."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name, figure in figures.items():
        (part / f"{name}.svg").write_bytes(plots.render(figure, "svg"))
    (part / "compare.md").write_text(text)
    (part / "compare.html").write_text(page.to_html(text, part))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    print(f"{folder}: compare.html, compare.md and {len(figures)} plot{'s' * (len(figures) != 1)}")


if __name__ == "__main__":
    run(main)
