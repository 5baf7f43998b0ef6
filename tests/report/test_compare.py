"""python -m report.compare on a build folder whose numbers are known."""

import contextlib
import json
import re
import shutil
from unittest import mock

import numpy as np
import pytest
from report_build import (
    CONFIG,
    GUIDES,
    LABELS,
    ODD,
    ODD_IDS,
    ROOT,
    call,
    fails,
    relabel,
    run,
    write_ablation,
    write_by_length,
    write_events,
    write_probabilities,
    write_record,
    write_reviews,
)
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.summary.writer.record_writer import RecordWriter

from infer.text.bert_config import count_weights
from report import ablation
from report.compare import RESULTS, main
from report.page import escape, to_html
from report.plots import plot_confusion, plot_training, render
from report.read import COUNTS, read_events, read_predictions
from report.scores import write_counts
from report.setting import describe_weights

PLOTS = ["accuracy", "ablation"] + [
    f"{name}-{stage}" for name in ("training", "confusion", "reliability", "length") for stage in RESULTS
]


def compare(build, drawn=False):
    """Runs report.compare, its ablation first; returns compare.md. Unless they are drawn, the plots are blank."""
    call(ablation.main, f"--output_dir={build / 'ablation'}", f"7={build / 'ablation'}")
    with contextlib.ExitStack() as stack:
        if not drawn:
            stack.enter_context(mock.patch("report.compare.draw", lambda *_: dict.fromkeys(PLOTS)))
            stack.enter_context(mock.patch("report.plots.render", lambda *_: b'<svg width="300pt" height="9pt"/>'))
        call(main, build, "--profile=made-up")
    return (build / "compare" / "compare.md").read_text()


def row(text, first):
    """Returns the cells of the table row that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]


def values(text, first):
    """Returns the row's cells, without the intervals below the values."""
    return [cell.split("<br>")[0] for cell in row(text, first)]


def test_the_page_holds_the_numbers_of_the_files(build):
    text = compare(build)
    assert "Profile made-up, result1 on 2030-01-02 at 03:04 UTC in 60 s and result2" in text
    assert "on A CPU \\| of two_cores, 2 cores, from commit 0123456789ab." in text
    accuracies = ["0.9000", "0.8000", "-0.1000", "0.8664", "about 0.8436", "+0.0336", "-0.0664"]
    assert values(text, "eval_accuracy") == accuracies
    assert values(text, "F1 of the counts") == ["0.9231", "0.8571", "-0.0659", "0.8660", "", "+0.0571", "-0.0088"]
    # Counts are set against those of as many reviews alone.
    assert row(text, "true_negatives") == ["3", "2", "-1", "2174", "", "", ""]
    assert row(text, "global_step") == ["4", "4", "", "468", "468", "", ""]
    assert "count the same as TensorFlow's in eval_results.txt" in text
    assert "(ECE) is 0.0000 (0.0000 to " in text and ") for result1, 0.1000 (0.0000 to " in text
    assert text.count("| (a)") == 1 and "changes accuracy by -0.1000" in text


def test_numbers_have_their_intervals(build):
    text = compare(build)
    # Wilson's, worked out from his formula: of 9 and 8 of 10, and of 4332 and 4218 of 5000.
    assert row(text, "eval_accuracy")[:2] == ["0.9000<br>0.5958 to 0.9821", "0.8000<br>0.4902 to 0.9433"]
    assert row(text, "eval_accuracy")[3:5] == ["0.8664<br>0.8567 to 0.8755", "about 0.8436<br>0.8333 to 0.8534"]
    assert row(text, "recall")[0] == "1.0000<br>0.6097 to 1.0000", "6 of 6"
    # Of the notebook's counts: its precision is 2158 of 2451, its auc and F1 have no formula.
    assert row(text, "precision")[3] == "0.8805<br>0.8670 to 0.8927"
    assert row(text, "auc (of labels)")[3].startswith("0.8666<br>0.857")
    assert row(text, "loss")[3] == "0.5187", "of which no count tells anything"
    assert row(text, "one answer for all: accuracy")[:2] == ["0.6000<br>0.3127 to 0.8318"] * 2
    assert row(text, "one answer for all: accuracy")[3] == "0.5066<br>0.4927 to 0.5204"


def test_counts_are_set_against_those_of_as_many_reviews_of_each_label_alone():
    ours = dict(zip(COUNTS, (50, 30, 10, 10, 7), strict=True))
    other = {**ours, "true_positives": 40, "false_negatives": 20}
    columns = {"result1": ours, "result2": ours, "notebook": other}
    assert write_counts(columns, COUNTS, ["result2"])[0] == ["true_positives", "50", "50", "+0", "40", "+10"]
    other["true_positives"] = 50  # as many reviews would be these, but not as many positive ones
    other["true_negatives"] = 20
    assert [row[-1] for row in write_counts(columns, COUNTS, ["result2"])] == [""] * 5


def test_auc_of_scores_is_beside_that_of_labels(build):
    # result1's scores: all positive reviews 0.9, of the negative ones one of 0.9 and three of 0.1.
    text = compare(build)
    assert values(text, "auc (of labels)")[:2] == ["0.8750", "0.7500"]
    assert values(text, "ROC AUC of scores")[:2] == ["0.8750", "0.7500"]
    assert values(text, "average precision of scores")[0] == "0.8571", "6 of 7"
    positive = np.where(LABELS == 1, 0.9, 0.6)  # each is called positive, and yet they are told apart
    write_probabilities(build / "ablation" / "no-dropout" / "probabilities-1.tsv", LABELS, positive)
    text = compare(build)
    assert values(text, "ROC AUC of scores")[0] == values(text, "average precision of scores")[0] == "1.0000"


def test_what_follows_from_the_numbers(build):
    text = compare(build)
    only = "result1 against one answer for all, Positive, the most frequent label: 0.9000 ± 0.1931 against 0.6000 ± "
    assert only in text and "no difference that so many reviews can tell (McNemar's exact test, p = 0.2500)" in text
    assert (
        "result2 against result1, on the same 10 reviews: -0.1000 (-0.3000 to +0.0000), 0 that only result2 has" in text
    )
    told = "result2 against the notebook: 0.8000 ± 0.2266 against 0.8664 ± 0.0094: no difference that so many reviews"
    assert told in text and "; other weights, other reviews.\n" in text and "Warning" not in text
    labels = np.repeat([0, 1], [200, 300])
    write_ablation(build / "more", labels, wrong=(100, 140, 3))
    for name in ("no-dropout", "second-phase"):
        shutil.copy(build / "more" / name / "probabilities-1.tsv", build / "ablation" / name)
    write_by_length(build, labels)
    write_reviews(build, labels)
    shutil.rmtree(build / "ablation" / "with-dropout")
    shutil.copytree(build / "more" / "with-dropout", build / "ablation" / "with-dropout")
    text = compare(build)
    assert (
        "result1 against the notebook: 0.8000 ± 0.0350 against 0.8664 ± 0.0094: lower (Fisher's exact test, p " in text
    )
    assert "result2 against result1, on the same 500 reviews: -0.0800 (" in text and "): lower (Mc" not in text
    assert (
        "0 that only result2 has right and 40 that only result1 has: lower (McNemar's exact test, p < 0.0001)" in text
    )
    assert "0.8000 ± 0.0350 against 0.6000 ± 0.0428: higher (McNemar's exact test, p < 0.0001)" in text


def test_a_model_with_one_answer_for_all_is_warned_of(build):
    write_probabilities(build / "ablation" / "second-phase" / "probabilities-1.tsv", LABELS, LABELS * 0.1 + 0.8)
    text = compare(build)
    assert text.count("Warning") == 1
    assert "**Warning: result2 answers Positive to all 10 test reviews.**" in text


def test_the_surest_mistakes_are_shown_and_cut(build):
    rows = [{"review": "long <b>|" * 99 + str(i), "label": int(label), "source": ""} for i, label in enumerate(LABELS)]
    (build / "reviews" / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    positive = np.array([0.6, 0.9, 0.1, 0.1, 0.7, 0.7, 0.7, 0.7, 0.7, 0.2])
    write_probabilities(build / "ablation" / "second-phase" / "probabilities-1.tsv", LABELS, positive)
    rows[1]["review"] = "the\r\nsurest\r"
    (build / "reviews" / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text = compare(build)
    assert "Of its 3 wrong answers result2 is surest of these 3" in text
    shown = text.split("result2 is surest of these 3")[1].split("\n\n")[1].splitlines()[2:]
    assert shown[0] == "| Positive<br>0.90000 | Negative | the surest  |"
    assert shown[1].startswith("| Negative<br>0.80000 | Positive | long &lt;b&gt;\\|long") and shown[1].endswith("… |")
    assert shown[2].startswith("| Positive<br>0.60000 | Negative | ") and "<b>" not in text


def test_accuracy_by_length_is_told_of_all(build):
    text = compare(build)
    # Wrong are the reviews 1 of result1, and 1 and 2 of result2: those of 10 and of 10 and 30 WordPieces.
    assert row(text, "10 to 30") == ["2", "0.5000<br>0.0945 to 0.9055", "0.0000<br>0.0000 to 0.6576"]
    assert values(text, "31 to 70") == ["2", "1.0000", "1.0000"] and "| 151 to 190 | 2 |" in text
    write_by_length(build, lengths=[7] * 10)
    assert values(compare(build), "7") == ["10", "0.9000", "0.8000"]


def test_reviews_that_are_not_those_of_the_answers_are_refused(build):
    compare(build)
    before = (build / "compare" / "compare.html").read_bytes()
    write_reviews(build, LABELS[::-1])
    line = fails(main, build, "--profile=made-up")
    assert "ablation/no-dropout: its labels are not those of " in line and "run `make compare` again" in line
    assert (build / "compare" / "compare.html").read_bytes() == before


def test_long_reviews_are_told_by_length_and_way(build):
    text = compare(build)
    assert "8 of 10 test reviews are longer than the 46 WordPieces that the model reads." in text
    # Lengths 10, 30, 50, 70, 90, 110 … 190; wrong are the first two of the guide's way, the last of the others.
    assert values(text, "up to 46") == ["2", "", "0.0000", "1.0000", "1.0000", "1.0000"]
    assert values(text, "up to 92") == ["3", "", "1.0000", "1.0000", "1.0000", "1.0000"]
    assert values(text, "more than 92") == ["5", "", "1.0000", "0.6000", "0.4000", "0.8000"]
    assert values(text, "all") == ["10", "0.8000", "0.8000", "0.8000", "0.7000", "0.9000"]
    assert row(text, "all")[3] == "0.8000<br>0.4902 to 0.9433"
    loss = [f"{(-(10 - n) * np.log(0.8) - n * np.log(0.2)) / 10:.4f}" for n in (2, 3, 1)]
    assert values(text, "all: loss") == ["", "0.2500", values(text, "all: loss")[2], *loss]
    share = f"{(10 + 30 + 8 * 46) / 1000:.1%}"
    assert row(text, "WordPieces read") == ["", *[share] * 4, "100.0%"]
    windows = [1, 1, *(-(-length // 46) for length in range(50, 200, 20))]
    assert row(text, "rows a review") == ["", "1", "1", "1", "1", f"{sum(windows) / 10:.2f}"]
    assert "Of them `windows` gets 1 right that `cut` gets wrong, and 0 wrong that `cut` gets right (Mc" in text
    write_by_length(build, lengths=[46] * 10)
    text = compare(build)
    assert "No test review is longer than the 46 WordPieces that the model reads." in text and "| up to" not in text


def test_the_notebooks_log_probabilities_become_probabilities(build):
    text = compare(build)
    assert row(text, "That movie was absolutely awful") == ["notebook", "0.99510", "0.00490", "Negative"]
    assert "|  | guide | 0.00698 | 0.99302 | Positive |" in text
    assert "|  | this run, TensorFlow | 0.00744 | 0.99256 | Positive |" in text
    assert text.count("this run, OpenVINO |") == 4
    assert "Largest difference from TensorFlow: 1.2e-07 on 4 reviews, 0 labels differ." in text


def test_setup_is_that_of_the_records_and_says_what_differs(build):
    text = compare(build)
    assert row(text, "weights")[0] == "**mini-1.0**" and row(text, "weights")[3] == "both"
    assert row(text, "reviews")[0] == "**text-2.0 (Rotten Tomatoes, critics' snippets)**"
    assert row(text, "sample, training + test") == ["**50 + 10**", "5000 + 5000", "5000 + 5000", "both"]
    assert row(text, "max_seq_length") == ["**48**", "128", "128", "both"]
    assert row(text, "batch") == ["32", "32", "32", ""]
    assert row(text, "learning rate") == ["**5e-5**", "2e-5", "2e-5", "both"]
    assert row(text, "dropout in training")[::3] == ["**encoder 0.1, head 0.1**", "notebook"]
    assert row(text, "second phase")[0] == "**steps 4, epochs 1, rate 2e-5, dropout off**"
    assert row(text, "dropout in evaluation and prediction")[::2] == ["**off**", "off"]
    assert row(text, "dropout in evaluation and prediction")[3] == "notebook"
    assert row(text, "TensorFlow")[::2] == ["**1.15.0**", "1.12.0"] and row(text, "TensorFlow")[3] == "both"
    assert row(text, "ops in the frozen encoder")[::2] == ["**20**", "1636"]
    assert row(text, "OpenVINO")[0] == "**2024.6.0**"
    assert "Not comparable with the notebook: other weights (mini-1.0, there uncased_L-12_H-768_A-12) and other" in text


def test_the_notebooks_own_weights_and_reviews_are_comparable(build):
    write_record(build, "pretrained", "python -m tf1.pretrained google d/uncased_L-12_H-768_A-12.zip p")
    write_record(build, "reviews", "python -m inputs.reviews aclimdb d/aclImdb_v1.tar.gz --train_size=5000 r")
    text = compare(build)
    assert "Comparable with the notebook: the same weights and the same corpus." in text
    assert "tell (Fisher's exact test, p = 0.6324); the same task." in text
    assert "so it differs by more than the intervals: how much, one seed cannot tell. What else differs: " in text
    write_ablation(build / "8", wrong=(1, 4, 3))
    call(ablation.main, f"--output_dir={build / 'ablation'}", f"7={build / 'ablation'}", f"8={build / '8'}")
    call(main, build, "--profile=made-up")
    page = (build / "compare" / "compare.md").read_text()
    assert "over 2 seeds the standard deviation of result2's accuracy is 0.1414. What else" in page
    assert "| 0.7000<br>0.0000 to 1.0000 |" in page and "its 95% interval, Student's over the seeds, so of" in page
    same = (
        "The same task as the guide's with other weights (uncased_L-12_H-768_A-12, there multilingual_L-12_H-768_A-12)"
    )
    assert f"{same}: what these weights do on the same corpus, and no reproduction of its numbers." in text


def test_the_notebooks_task_with_other_weights_is_said_to_be_so(build):
    """PROFILE=imdb; of the two forms of its reviews the one by another name."""
    write_record(build, "reviews", "python -m inputs.reviews aclimdb d/aclImdb_v1-huggingface --train_size=5000 r")
    text = compare(build)
    assert "The same task as the notebook's with other weights (mini-1.0, there uncased_L-12_H-768_A-12): what" in text
    assert "Not comparable with" not in text and row(text, "reviews")[0] == "aclImdb_v1 (IMDB, whole reviews)"


def test_a_module_that_was_made_of_the_checkpoint_has_its_weights(build):
    write_record(build, "pretrained", "python -m tf1.pretrained google d/uncased_L-12_H-768_A-12.zip p")
    records = {"result1": {"flags": {"bert_hub_module_handle": f"{build}/hub-module"}}}
    assert describe_weights(build, records) == ["uncased_L-12_H-768_A-12", "as a TF Hub module made of the checkpoint"]


def test_weights_are_the_same_by_whichever_source(build):
    command = "python -m tf1.pretrained huggingface d/uncased_L-12_H-768_A-12-huggingface p"
    records = {"result1": {"flags": {}}, "pretrained": {"command": command.split()}}
    assert describe_weights(build, records) == ["uncased_L-12_H-768_A-12"]


def test_own_reviews_and_random_weights_are_named_as_such(build):
    write_record(build, "pretrained", "python -m tf1.pretrained random d/mini.whl p")
    (build / "reviews" / "train.jsonl").write_text("{}\n" * 50)
    own = "python -m inputs.own --random_seed=7 r"
    write_record(build, "reviews", f"{own} --folder=my/films")
    text = compare(build)
    assert row(text, "weights")[0] == "**random**"
    assert row(text, "reviews")[0] == "**films (given as DATA_DIR)**"
    assert row(text, "sample, training + test")[0] == "**50 + 10**"
    assert row(text, "films in training and test")[0] == "**as given**"
    assert row(text, "seed of the sample")[0] == "**7**"
    write_record(build, "reviews", f"{own} --train=my/all.csv --test_share=0.2")
    text = compare(build)
    assert row(text, "reviews")[0] == "**all.csv (given as TRAIN)**"
    assert row(text, "sample, training + test")[0] == "**50 + 10 (0.2 split off to test)**"
    assert row(text, "films in training and test")[0] == "**no text in both**"


def test_other_reviews_are_listed_by_themselves(build):
    lines = "('A |very| <b>*bold*</b> film', array([0.25, 0.75], dtype=float32), 'Positive')\n"
    for name in ("tensorflow/predictions.txt", "openvino.txt"):
        (build / "predict" / name).write_text(lines)
    text = compare(build)
    assert "These are not the guide's four reviews" in text and "0.99510" not in text
    expected = r"| A \|very\| &lt;b&gt;\*bold\*&lt;/b&gt; film | this run, TensorFlow | 0.25000 | 0.75000 | Positive |"
    assert expected in text
    assert "<td>A |very| &lt;b&gt;*bold*&lt;/b&gt; film</td>" in (build / "compare" / "compare.html").read_text()


def test_the_guides_openvino_stands_beside_todays_where_it_was_asked(build):
    assert "OpenVINO 2021" not in compare(build)
    (build / "old-stack").mkdir()
    old = build / "old-stack/openvino.txt"
    closing = "largest difference of OpenVINO 2021.4.2 from today's: 2.0e-07 on 4 reviews, 0 labels differ\n"
    old.write_text((build / "predict/tensorflow/predictions.txt").read_text() + closing)
    text = compare(build)
    assert text.count("| this run, OpenVINO 2021 |") == 4
    assert "0 labels differ; largest difference of OpenVINO 2021.4.2 from today's: 2.0e-07" in text
    old.write_text("('another review', array([0.25, 0.75], dtype=float32), 'Positive')\n")
    message = fails(main, build, "--profile=made-up")
    assert message.endswith("tensorflow/predictions.txt: make it again with `make old-stack`")


def test_a_review_that_names_a_picture_is_text(build):
    lines = """('<img src="none.svg"> src="none.svg"', array([0.25, 0.75], dtype=float32), 'Positive')\n"""
    for name in ("tensorflow/predictions.txt", "openvino.txt"):
        (build / "predict" / name).write_text(lines)
    compare(build)
    assert '&lt;img src="none.svg"&gt; src="none.svg"' in (build / "compare" / "compare.html").read_text()


def test_three_labels_with_odd_names(build):
    relabel(build, ODD, ODD_IDS)
    text, page = compare(build, drawn=True), (build / "compare" / "compare.html").read_text()
    first, second, third = (escape(label) for label in ODD)
    assert "with the two labels Negative and Positive; this run has 3 of its own, which a table below lists.\n" in text
    accuracies = ["0.9000", "0.8000", "-0.1000", "0.8664", "about 0.8436", "+0.0336", "-0.0664"]
    assert values(text, "eval_accuracy") == accuracies
    # Of result1 one review of the first label is taken for the second: recall 1/2, 1, 1 and precision 1, 3/4, 1.
    assert values(text, "macro_recall") == ["0.8333", "0.6667", "-0.1667", "", "", "", ""]
    assert values(text, "macro_precision") == ["0.9167", "0.5333", "-0.3833", "", "", "", ""]
    assert row(text, "global_step")[0] == "4" and "ROC AUC" not in text
    assert "| auc |" not in text and "| true_positives |" not in text and "F1 of the counts" not in text
    assert "Not comparable with the notebook: other labels and other weights (" in text
    answer = "| review 0 | this run, TensorFlow | 0.80000 | 0.10000 | 0.10000 | "
    assert f"{answer}{first} |" in text and f"| review | source | {first} | {second} | {third} | label |" in text
    assert "with the accuracy and the means of TensorFlow's in eval_results.txt" in text
    rows = re.sub(r"<br>[^|]*(?= \|)", "", text)
    assert f"| {first} | 2 | 1.0000 | 0.5000 | 0.6667 | 0.0000 | 0.0000 | 0.0000 |" in rows
    assert f"| {third} | 5 | 1.0000 | 1.0000 | 1.0000 | 1.0000 | 1.0000 | 1.0000 |" in rows
    assert f"| {first} | 2 | 1.0000<br>0.2065 to 1.0000 | 0.5000<br>0.0945 to 0.9055 | 0.6667<br>0.0000 to 1." in text
    assert "sd of p(the review's own label), mean over reviews" in text
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert {"Sci-Fi &amp; &lt;Fantasy&gt;", 'it\'s "so, so"', "|_$5_|*"} <= set(cells)
    results = build / "result2" / "eval_results.txt"
    results.write_text(results.read_text().replace("macro_f1 = 0.", "macro_f1 = 0.9"))
    assert "TensorFlow's has another accuracy or other means, in result2." in compare(build)
    results.write_text(results.read_text().replace("macro_f1 =", "f1 ="))
    assert "lacks macro_f1: remove it" in fails(main, build, "--profile=made-up")


def test_two_labels_of_other_names_have_the_notebooks_metrics(build):
    relabel(build, ["ham", "spam*"], [0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    text = compare(build)
    assert "this run has 2 of its own" in text and "F1 and the counts here are of spam\\*.\n" in text
    assert row(text, "true_negatives") == ["3", "2", "-1", "2174", "", "", ""]
    assert "sd of p(spam\\*), mean over reviews" in text and "other labels and other weights" in text
    assert "count the same as TensorFlow's in eval_results.txt" in text
    guides = GUIDES.replace("Negative", "ham").replace("Positive", "spam*")
    for name in ("tensorflow/predictions.txt", "openvino.txt"):
        (build / "predict" / name).write_text(guides)
    text = compare(build)
    assert "answer these reviews with labels of their own" in text and "|  | guide |" not in text
    assert "|  | this run, OpenVINO | 0.00744 | 0.99256 | spam\\* |" in text


def test_many_labels_stay_readable(build):
    names = [f"label {i}" for i in range(60)]
    relabel(build, names, np.repeat(np.arange(60), 3), wrong=(3, 9, 1))
    text = compare(build, drawn=True)
    assert "this run has 60 of its own" in text and "result2; eval_by_label.txt has all:" in text
    by_label = text.split("eval_by_label.txt has all:")[1].split("\n\n")[1].splitlines()
    # In result2 the reviews of labels 0 to 2 are all taken for the next label.
    assert len(by_label) == 52 and [line.split(" |")[0] for line in by_label[2:6]] == [
        "| label 0",
        "| label 1",
        "| label 2",
        "| label 3",
    ]
    pairs = text.split("Most often wrong in result2:")[1].split("\n\n")[1].splitlines()
    assert pairs[2:] == [f"| label {i} | label {i + 1} | 3 |" for i in range(3)]
    assert "| label 0 | 0.80000 | label 1 | 0.00339 | label 2 | 0.00339 |" in text
    svg = (build / "compare" / "confusion-result1.svg").read_text()
    assert "<image" in svg and len(svg) < 300_000


def test_a_matrix_names_its_labels_whatever_their_letters():
    labels, probabilities = np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 2, 1]]
    models = {"result1": (labels, probabilities)}
    svg = render(plot_confusion(models, ["$x$ $y$", "很好", "long " * 40])["result1"], "svg").decode()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert texts.count("很好") == texts.count("$x$ $y$") == 2 and texts.count("long long long long lon…") == 2
    svg = render(plot_confusion(models, ["$x$ $y$", "b", "c"])["result1"], "svg").decode()
    assert "<text" not in svg and "<!-- $x$ $y$ -->" in svg


def test_the_html_page_loads_nothing_and_holds_every_plot(build):
    text = compare(build, drawn=True)
    names = {f"{name}.svg" for name in PLOTS}
    assert {path.name for path in (build / "compare").iterdir()} == names | {"compare.md", "compare.html"}
    assert set(re.findall(r"\]\(([\w-]+\.svg)\)", text)) == names
    page = (build / "compare" / "compare.html").read_text()
    assert page.count('src="data:image/svg+xml;base64,') == len(names)
    assert not re.search(r"""src=(?!"data:)|<link|<script|<iframe|@import|url\(|srcset""", page)
    assert "default-src 'none'" in page and page.count("<table>") == text.count("\n| ---") + text.count("\n|  | ---")
    assert "<style>" in page and "$" not in page.split("<main>")[0]


def test_stages_of_several_commits_are_told_apart(build):
    write_record(build, "ir", "python -m openvino.tools.mo", git_commit="f" * 40, git_dirty=True)
    assert "ffffffffffff with uncommitted changes (ir)" in compare(build)


def test_labels_that_moved_on_the_way_to_openvino_are_counted(build):
    path = build / "result1" / "eval_results.txt"
    moved = path.read_text().replace("true_negatives = 3.0", "true_negatives = 4.0")
    path.write_text(moved.replace("false_positives = 1.0", "false_positives = 0.0"))
    assert "in eval_results.txt, has 1 of result1's in other cells" in compare(build)


def test_a_second_run_replaces_the_first(build):
    first = compare(build, drawn=True)
    (build / "compare" / "stale.svg").touch()
    assert compare(build) == first
    assert not (build / "compare" / "stale.svg").exists() and not (build / "compare.part").exists()


def test_an_older_runs_event_files_do(build):
    shutil.rmtree(build / "result1")
    shutil.copytree(build / "result2", build / "result1")
    for path in build.glob("result?/events*"):
        path.unlink()
    for stage in ("result1", "result2"):
        write_events(build / stage, {"loss_1": [0.7, 0.5]}, dropout=None)
    text = compare(build)
    assert "These event files hold no training accuracy." in text
    assert row(text, "dropout in training")[::3] == ["not stated", ""]
    assert row(text, "second phase")[0].endswith("dropout not stated**")


def test_a_resumed_runs_event_files_are_read_as_one(tmp_path):
    write_events(tmp_path, {"loss": [0.7, 0.6, 0.5, 0.45]}, ("bert/encoder",))
    write_events(tmp_path, {"loss": [0.4, 0.3, 0.2]}, ("bert/encoder", "loss"), start=3)
    scalars, dropout = read_events(tmp_path, "result1")
    steps, values = scalars["loss"]
    assert steps == (1, 2, 3, 4, 5) and values == pytest.approx((0.7, 0.6, 0.4, 0.3, 0.2))
    assert dropout == pytest.approx({"bert/encoder/dropout/rate": 0.1, "loss/dropout/rate": 0.1})


def test_dropout_left_on_in_evaluation_would_be_seen(build):
    write_events(build / "result1" / "eval", {"eval_loss": [0.3]}, ("loss",), start=4)
    assert row(compare(build), "dropout in evaluation and prediction")[::3] == ["**head 0.1**", "guide"]


def test_an_event_file_cut_short_is_read_as_far_as_it_goes(tmp_path):
    write_events(tmp_path, {"loss": [0.7, 0.6, 0.5]})
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    scalars, dropout = read_events(tmp_path, "result1")
    assert scalars["loss"][0] == (1, 2) and dropout == {}


def test_an_event_file_that_is_none_is_one_line(build):
    path = build / "result2" / "events.out.tfevents.1"
    for other in path.parent.glob("events*"):
        other.unlink()
    empty = GraphDef()
    empty.node.add(name="dropout/rate", op="Const")
    for graph in (b"\xff", empty.SerializeToString()):
        with open(path, "wb") as file:
            RecordWriter(file).write(Event(graph_def=graph, wall_time=1).SerializeToString())
        line = fails(main, build, "--profile=made-up")
        assert line.startswith(f"{path.parent}/events.out.tfevents.*: damaged: ")
    path.write_bytes(bytes(9999))
    assert "no loss in them" in fails(main, build, "--profile=made-up")


def test_event_files_without_a_loss_are_refused(build):
    for path in (build / "result2").glob("events*"):
        path.unlink()
    write_events(build / "result2", {})
    assert "result2/events.out.tfevents.*: no loss in them" in fails(main, build, "--profile=made-up")


@pytest.mark.parametrize(
    ("missing", "target"),
    [
        ("result1/eval_results.txt", "result1"),
        ("result2/eval_results.txt", "result2"),
        ("result1/eval", "result1"),
        ("result2.record.json", "result2"),
        ("reviews.record.json", "reviews"),
        ("ir.record.json", "ir"),
        ("pretrained/bert_config.json", "pretrained"),
        ("bert-finetune.pb", "pb"),
        ("predict/openvino.txt", "predict"),
        ("predict/tensorflow/predictions.txt", "predict"),
        ("ablation/results.json", "ablation"),
        ("ablation/second-phase/probabilities-1.tsv", "ablation"),
    ],
)
def test_what_is_missing_is_one_line_with_its_target(build, missing, target):
    call(ablation.main, f"--output_dir={build / 'ablation'}", f"7={build / 'ablation'}")
    path = build / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    line = fails(main, build, "--profile=made-up")
    assert line.startswith(str(path)) and line.endswith(f"make it with `make {target}`")
    assert not (build / "compare").exists()


GUIDES_FORM = "(%s, array([0.5, 0.5], dtype=float32), 'Negative')\n"


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("result1/eval_results.txt", "auc: 0.5\n", "line 1 is not `metric = value`"),
        ("result1/eval_results.txt", "eval_accuracy = 0.5\n", "lacks auc"),
        ("predict/openvino.txt", GUIDES + "Killed\n", "line 5 is not a prediction"),
        ("predict/openvino.txt", "\n", "no predictions in it"),
        ("predict/openvino.txt", GUIDES_FORM % "__import__('os').mkdir('film')", "line 1 is not a prediction"),
        ("predict/openvino.txt", GUIDES_FORM % "7", "line 1 is not a prediction"),
        ("predict/openvino.txt", GUIDES_FORM % ("(" * 99_999), "line 1 is not a prediction"),
        ("predict/openvino.txt", GUIDES[:100].split("\n")[0] + "\n", "not the reviews of"),
        ("pretrained/bert_config.json", "{", "not JSON"),
        ("pretrained/bert_config.json", "[" * 99_999, "not JSON"),
        ("result1.record.json", "[]", "lacks command"),
        ("reviews.record.json", None, "not a record of inputs.reviews"),
    ],
)
def test_what_is_malformed_is_one_line(build, name, text, complaint):
    if text is None:
        write_record(build, "reviews", "cp -r elsewhere reviews")
    else:
        (build / name).write_text(text)
    line = fails(main, build, "--profile=made-up")
    assert line.startswith(f"{build / name}: ") and complaint in line


def test_predictions_are_read_as_they_were_printed(tmp_path):
    rows = np.float32([[0.5, 1e-9, 0.5], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    reviews = ['it\'s "quoted", array([1], dtype=float32)', "two\nlines \\ and \u2028 more", "largest difference"]
    printed = "".join(f"{answer}\n" for answer in zip(reviews, rows, ODD, strict=True))
    (tmp_path / "p.txt").write_text(printed + "largest difference from TensorFlow: 0\n")
    read, closing = read_predictions(tmp_path / "p.txt", ODD)
    assert [review for review, _, _ in read] == reviews and [label for _, _, label in read] == ODD
    assert np.array_equal(np.float32([row for _, row, _ in read]), rows)
    assert closing == "largest difference from TensorFlow: 0"
    for labels in (ODD[:2], [*ODD, "more"], [*ODD[:2], "another"]):
        with pytest.raises(SystemExit, match="p.txt: line . is not a prediction"):
            read_predictions(tmp_path / "p.txt", labels)


def test_parameters_are_those_of_the_published_models():
    # google-research/bert's README: 110M for BERT-Base; all-MiniLM-L6-v2's card: 22.7M.
    base = {"num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072}
    assert count_weights(CONFIG | base) == 109_482_240
    assert count_weights(CONFIG) == 22_713_216


def test_the_axes_hold_their_points_and_are_the_same_for_both_phases():
    curves = {"accuracy": {"train": ((1, 2), (0.3, 0.9)), "eval": ((2,), (0.8,))}}
    phases = {"result1": curves | {"loss": {"train": ((1, 2), (0.7, 0.4)), "eval": ((2,), (0.5,))}}}
    phases["result2"] = curves | {"loss": {"train": ((1, 2), (0.3, 2.5)), "eval": ((2,), (3.0,))}}
    figures = plot_training(phases, 2)
    for figure in figures.values():
        for axis in figure.axes:
            low, high = axis.get_ylim()
            assert all(low <= value <= high for line in axis.lines for value in line.get_ydata())
    first, second = ([axis.get_ylim() for axis in figure.axes] for figure in figures.values())
    assert first == second


def test_text_is_escaped_only_where_it_is_markup(tmp_path):
    assert escape("max_seq_length _a_ `b` [c](d)") == r"max_seq_length \_a\_ \`b\` \[c\](d)"
    page = to_html("# T\n\n" + escape("x_y_z _a_ <script> & \\| [c](d)\nnext"), tmp_path)
    assert "<p>x_y_z _a_ &lt;script&gt; &amp; \\| [c](d) next</p>" in page


def test_published_counts_agree_with_the_published_rates():
    published = json.loads((ROOT / "report" / "published.json").read_text())["notebook"]["metrics"]
    tp, tn, fp, fn = (published[name] for name in COUNTS[:4])
    assert tp + tn + fp + fn == 5000 and (tp + tn) / 5000 == published["eval_accuracy"]
    assert tp / (tp + fn) == pytest.approx(published["recall"], abs=1e-6)
    assert tp / (tp + fp) == pytest.approx(published["precision"], abs=1e-6)
    assert (tp / (tp + fn) + tn / (tn + fp)) / 2 == pytest.approx(published["auc"], abs=1e-6)
    assert 2 * tp / (2 * tp + fp + fn) == pytest.approx(published["f1_score"], abs=1e-6)


@pytest.mark.process
def test_the_command_says_what_it_wrote_and_ends_with_one_line_on_an_error(build):
    call(ablation.main, f"--output_dir={build / 'ablation'}", f"7={build / 'ablation'}")
    done = run("report.compare", build, "--profile=made-up")
    assert done.returncode == 0 and not done.stderr
    assert done.stdout == f"{build / 'compare'}: compare.html, compare.md and 10 plots\n"
    (build / "ir.record.json").unlink()
    done = run("report.compare", build, "--profile=made-up")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and not done.stdout
    assert (build / "compare" / "compare.html").exists()
