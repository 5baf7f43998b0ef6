"""This run beside the notebook and the guide: `python -m report.compare build/PROFILE --profile=PROFILE`.

Writes compare.md, the plots it shows and compare.html, one page that needs nothing else, in compare/ of that folder.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from inputs.script import run
from report import ablation, page, plots, read
from report.metrics import read_probabilities
from report.sections import write_page
from report.setting import describe_model, describe_run

RESULTS = {"result1": "no-dropout", "result2": "second-phase"}  # and the ablation's variant with its weights
STAGES = ("reviews", *RESULTS, "ir")


def read_run(folder):
    """Reads all that the page needs of build/PROFILE; exits with one line if something is missing.

    Returns: dict of records, results, curves (report.plots.plot_training's), setup (report.setting.describe_run's),
      predictions (by engine), closing (the line on their difference), ablation and models (plot_confusion's).
    """
    records = {stage: read.read_record(folder, stage) for stage in STAGES}
    weights = "module" if "bert_hub_module_handle" in records["result1"]["flags"] else "pretrained"
    records[weights] = read.read_record(folder, weights)
    keys = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
    positions = ("max_position_embeddings", "type_vocab_size")
    config = read.read_json(folder / weights / "bert_config.json", weights, keys + positions)
    results, curves, dropout, models, predictions, evaluated = {}, {}, {}, {}, {}, []
    for stage, variant in RESULTS.items():
        results[stage] = read.read_results(folder / stage / "eval_results.txt", stage)
        train, dropout[stage] = read.read_events(folder / stage, stage)
        test, layers = read.read_events(folder / stage / "eval", stage)
        evaluated.append(layers)
        loss = train.get("loss") or train.get("loss_1")  # as TPUEstimator calls its own
        if not loss:
            sys.exit(f"{folder / stage}/events.out.tfevents.*: no loss in them: make them with `make {stage}`")
        curves[stage] = {
            "loss": {"train": loss, "eval": test.get("eval_loss")},
            "accuracy": {"train": train.get("train_accuracy"), "eval": test.get("eval_accuracy")},
        }
        models[stage] = read_probabilities(folder / "ablation" / variant / "probabilities-1.tsv")
    dropout["eval"] = None if None in evaluated else evaluated[0] | evaluated[1]
    steps = {stage: int(results[stage]["global_step"]) for stage in RESULTS}
    ops, _ = ablation.count_ops(folder / "bert-finetune.pb", "pb")
    paths = {"TensorFlow": folder / "predict/tensorflow/predictions.txt", "OpenVINO": folder / "predict/openvino.txt"}
    for engine, path in paths.items():
        predictions[engine], closing = read.read_predictions(path)
    if len({tuple(review for review, _, _ in rows) for rows in predictions.values()}) > 1:
        sys.exit(f"{paths['OpenVINO']}: not the reviews of {paths['TensorFlow']}: make both with `make predict`")
    return {
        "records": records,
        "results": results,
        "curves": curves,
        "setup": describe_run(folder, records, config, steps, dropout, ops),
        "predictions": predictions,
        "closing": closing,
        "ablation": read.read_json(folder / "ablation" / "results.json", "ablation", ("rows", "variants", "reviews")),
        "models": models,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="build/PROFILE, with all stages made")
    parser.add_argument("--profile", required=True, help="the profile's name, for the page")
    args = parser.parse_args()
    published = json.loads(Path(__file__).with_name("published.json").read_text())
    for entry in published.values():
        entry["setup"] |= describe_model(entry["config"])
    run = read_run(args.folder)
    text = write_page(args.profile, run, published)
    figures = {
        "training": plots.plot_training(run["curves"]),
        "confusion": plots.plot_confusion(run["models"]),
        "reliability": plots.plot_reliability(run["models"]),
        "ablation": plots.plot_ablation(run["ablation"]),
    }

    folder = args.folder / "compare"
    part = args.folder / "compare.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name, figure in figures.items():
        (part / f"{name}.svg").write_bytes(plots.render(figure, "svg"))
    (part / "compare.md").write_text(text)
    (part / "compare.html").write_text(page.to_html(text, part))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    print(f"{folder}: compare.html, compare.md and {len(figures)} plots")


if __name__ == "__main__":
    run(main)
