"""python -m report.builds on build folders whose numbers are known."""

import json
import re
import shutil

import numpy as np
import pytest
from report_build import LABELS, ODD, ODD_IDS, call, fails, relabel, write_probabilities, write_reviews

from report.builds import main


@pytest.fixture
def builds(build, tmp_path, monkeypatch):
    """The folders all/first, all/second, on the same reviews, and all/other, on others."""
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second", "other"):
        shutil.copytree(build, tmp_path / "all" / name)
    second = tmp_path / "all" / "second"
    write_probabilities(second / "ablation" / "second-phase" / "probabilities-1.tsv", LABELS, LABELS * 0.8 + 0.1)
    write_reviews(tmp_path / "all" / "other", LABELS)
    path = tmp_path / "all" / "other" / "reviews" / "test.jsonl"
    path.write_text(path.read_text().replace("review 3", "another"))
    return tmp_path


def page(*folders):
    assert call(main, "out", *folders) == "out: compare.html, compare.md and 1 plot\n"
    with open("out/compare.md") as file:
        return file.read()


def row(text, first):
    """Returns the cells of the table row that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]


def test_each_build_has_a_column_with_intervals(builds):
    text = page("all/first", "all/second/", "all/other")
    assert row(text, "metric") == ["first", "second", "other"] and row(text, "model") == ["result2"] * 3
    accuracies = ["0.8000<br>0.4902 to 0.9433", "1.0000<br>0.7225 to 1.0000", "0.8000<br>0.4902 to 0.9433"]
    assert row(text, "accuracy") == accuracies and row(text, "test reviews") == ["10"] * 3
    assert row(text, "accuracy of result1") == ["0.9000<br>0.5958 to 0.9821"] * 3
    assert row(text, "one answer for all: accuracy") == ["0.6000<br>0.3127 to 0.8318"] * 3
    assert row(text, "weights") == ["mini-1.0"] * 3 and row(text, "batch") == ["32"] * 3
    html = (builds / "out" / "compare.html").read_text()
    assert html.count('src="data:image/svg+xml;base64,') == 1 and "default-src 'none'" in html
    assert not re.search(r"""src=(?!"data:)|<link|<script|<iframe|@import|url\(|srcset""", html)


def test_only_builds_of_the_same_reviews_are_compared_review_by_review(builds):
    text = page("all/first", "all/second", "all/other")
    assert "those that have are: first, second; other. Only they are compared review by review" in text
    told = "second against first: 1.0000 ± 0.1388 against 0.8000 ± 0.2266, on the same reviews +0.2000 (+0.0000 to "
    assert told in text and "2 that only it has right and 0 that only first has: no difference that so many" in text
    assert "(McNemar's exact test, p = 0.5000)" in text and text.count("McNemar's exact test, p") == 1
    told = "other against second: 0.8000 ± 0.2266 against 1.0000 ± 0.1388: no difference that so many reviews can tell"
    assert f"{told} (Fisher's exact test, p = 0.4737); other reviews.\n" in text
    assert "All have the same test reviews" in page("all/first", "all/second")


def test_builds_of_other_labels_are_set_beside_but_not_compared(builds):
    relabel(builds / "all" / "other", ODD, ODD_IDS)
    text = page("all/first", "all/other")
    assert "other against first: other labels, so not compared.\n" in text and row(text, "labels") == ["2", "3"]
    assert row(text, "macro_f1")[0] == "" != row(text, "macro_f1")[1] and row(text, "F1")[1] == ""


def test_a_checkpoints_build_has_its_classifiers_answers(builds):
    other = builds / "all" / "other"
    for name in ("ablation", "result1", "result2"):
        shutil.rmtree(other / name)
    (other / "result1.record.json").unlink()
    record = json.loads((other / "reviews.record.json").read_text())
    record |= {"stage": "pb", "flags": {"init_checkpoint": "my/model.ckpt-9"}}
    (other / "pb.record.json").write_text(json.dumps(record))
    text = page("all/first", "all/other")
    assert row(text, "model") == ["result2", "classifier"] and row(text, "accuracy of result1")[1] == ""
    assert row(text, "accuracy")[1] == "0.8000<br>0.4902 to 0.9433"
    assert row(text, "weights") == ["**mini-1.0**", "**my/model.ckpt-9** (given as CHECKPOINT)"]
    assert row(text, "batch") == ["**32**", "**not stated**"]


def test_a_seeds_build_has_the_weights_of_its_profile(builds):
    for path in (builds / "all" / "first").glob("*.record.json"):
        record = json.loads(path.read_text())
        record["flags"]["init_checkpoint"] = "all/first/pretrained/bert_model.ckpt"
        path.write_text(json.dumps(record))
    shutil.copytree("all/first", "all/first/seeds/8")
    (builds / "all/first/seeds/8/pretrained.record.json").unlink()
    text = page("all/first", "all/first/seeds/8")
    assert row(text, "metric") == ["first", "first/seeds/8"] and row(text, "weights") == ["mini-1.0"] * 2


def test_a_build_with_one_answer_for_all_is_warned_of(builds):
    path = builds / "all" / "first" / "ablation" / "second-phase" / "probabilities-1.tsv"
    write_probabilities(path, LABELS, np.full(10, 0.7))
    text = page("all/first", "all/second")
    assert "- **Warning: first answers Positive to all 10 test reviews.** It tells nothing apart.\n" in text


def test_bad_input_is_one_clear_line_and_what_was_there_stays(builds):
    page("all/first", "all/second")
    before = (builds / "out" / "compare.html").read_bytes()
    assert "only all/first: give two builds or more" in fails(main, "out", "all/first")
    again = fails(main, "out", "all/first", "./all/second/../first/")
    assert again == "BUILDS=: all/first is given twice: give each build once"
    (builds / "all" / "link").symlink_to("first")
    assert "is given twice" in fails(main, "out", "all/link", "all/first")
    (builds / "all" / "empty").mkdir()
    assert "all/empty is no build, it has no reviews/test.jsonl: give" in fails(main, "out", "all/first", "all/empty")
    assert "nowhere is no build" in fails(main, "out", "all/first", "nowhere")
    shutil.rmtree("all/other/ablation")
    shutil.rmtree("all/other/by-length")
    line = fails(main, "out", "all/first", "all/other")
    assert line.startswith("BUILDS=: all/other: its test reviews are not predicted yet: run `make by-length` with")
    write_reviews(builds / "all" / "second", LABELS[::-1])
    assert "its labels are not those of all/second/reviews/test.jsonl" in fails(main, "out", "all/first", "all/second")
    (builds / "all/second/reviews/test.jsonl").write_text("{}\n")
    assert "not a file of examples" in fails(main, "out", "all/first", "all/second")
    (builds / "all/first/ablation/second-phase/probabilities-1.tsv").write_text("0\t2\t3\n")
    assert "line 1" in fails(main, "out", "all/first", "all/second")
    assert (builds / "out" / "compare.html").read_bytes() == before and not (builds / "out.part").exists()
