"""python -m report.ablation on small folders of the three variants."""

import json
import re

import numpy as np
import pytest
from report_build import LABELS, call, fails, run, write_ablation, write_probabilities

from report.ablation import main


def ablation(tmp_path, *seeds):
    """Returns main and its arguments."""
    return main, f"--output_dir={tmp_path / 'out'}", *(f"{seed}={tmp_path / seed}" for seed in seeds)


@pytest.fixture
def seeds(tmp_path):
    """Three seeds, whose second phase gets one or two reviews more wrong."""
    for seed, wrong in (("0", (1, 2, 3)), ("1", (1, 3, 3)), ("2", (2, 3, 3))):
        write_ablation(tmp_path / seed, wrong=wrong)
    return tmp_path


def test_table_holds_means_and_intervals(seeds):
    printed = call(*ablation(seeds, "0", "1", "2"))
    a, b, c = (next(line for line in printed.splitlines() if line.startswith(f"| ({x})")) for x in "abc")
    # Student's for two degrees of freedom: 4.3027 standard errors.
    accuracies = np.array([0.9, 0.9, 0.8])
    low = accuracies.mean() - 4.302653 * accuracies.std(ddof=1) / np.sqrt(3)
    assert f"| {accuracies.mean():.4f}<br>{low:.4f} to 1.0000 |" in a and a.endswith("| 20 | 0 | 2.5 |")
    assert "| 0.7333<br>0.5899 to 0.8768 |" in b and b.endswith("| 20 | 0 | 2.5 |")
    assert "| 0.7000<br>0.7000 to 0.7000 |" in c and c.endswith("| 30 | 10 | 2.5 |")
    assert "3 seeds (0, 1, 2), each on 10 test reviews, the same for all" in printed
    # All reviews are predicted with confidence 0.9, so the calibration error is |0.9 - accuracy|.
    assert "| (a) | 2 | 1 | 0.8000<br>0.4902 to 0.9433 | " in printed, "Wilson's of 8 of 10"
    assert re.search(r" \| 0.1000<br>0.0000 to 0.\d{4} \| 20 \| 0 \| 2.5 \|", printed)
    # By runs, reviews 1 to 3, 2 to 4 and 3 to 5 are taken for the other label: 4 of 10 change.
    assert "| (c) | 0 | 3 | 0.0000 | 0.1848 | 40.00% |" in printed
    assert (
        "(b) changes accuracy by -0.1333 (-0.2768 to +0.0101)" in printed
        and "(3 seeds, 95% interval over these)" in printed
    )
    # Of seed 1's ten reviews (a) has two right that (b) has wrong: McNemar's p is 2 * (1/2)^2.
    assert re.search(r"\| \(b\) \| 1 \| -0.2000<br>-0.5000 to [+-]0.0000 \|.*\| 0 \| 2 \| p = 0.5000 \|", printed)
    assert "40.0% of the reviews do not keep their label" in printed


def test_files_hold_the_same_numbers_and_are_whole(seeds):
    printed = call(*ablation(seeds, "0", "1", "2"))
    out = seeds / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "ablation.md",
        "ablation.png",
        "ablation.svg",
        "results.json",
    ]
    assert printed in (out / "ablation.md").read_text()
    results = json.loads((out / "results.json").read_text())
    rows = {(row["seed"], row["variant"]): row for row in results["rows"]}
    assert len(rows) == 9 and results["reviews"] == 10 and results["same_reviews"]
    row = rows["1", "with-dropout"]
    assert len(row["runs"]) == 3 and row["accuracy"] == pytest.approx(0.7) and row["ir_bytes"] == 2_500_000
    assert row["loss"] == pytest.approx(-(0.7 * np.log(0.9) + 0.3 * np.log(0.1)))
    assert rows["1", "no-dropout"]["p_positive_std"] is None
    assert (out / "ablation.svg").read_text().count("<svg") == 1


def test_the_pictures_are_the_same_for_the_same_data(seeds):
    call(*ablation(seeds, "0"))
    first = (seeds / "out" / "ablation.svg").read_bytes()
    call(*ablation(seeds, "0"))
    assert (seeds / "out" / "ablation.svg").read_bytes() == first


def test_the_closing_sentence_follows_the_numbers(tmp_path):
    write_ablation(tmp_path / "0", wrong=(3, 1, 3))
    printed = call(*ablation(tmp_path, "0"))
    assert "changes accuracy by +0.2000 (+0.0000 to +0.5000), loss by -0.4394 (" in printed
    assert "nor of another loss, than chance explains: here it does not clearly pay. Another seed may say" in printed
    assert "so nothing is told of other trainings" in printed
    write_ablation(tmp_path / "1", np.repeat([0, 1], 300), wrong=(200, 100, 3))
    assert "It is more accurate and of lower loss: here it pays. Another seed" in call(*ablation(tmp_path, "1"))
    write_ablation(tmp_path / "2", np.repeat([0, 1], 300), wrong=(100, 200, 3))
    assert "It is less accurate and of higher loss: here it is not needed." in call(*ablation(tmp_path, "2"))
    printed = call(*ablation(tmp_path, "1", "2"))
    assert "than chance explains: here it does not clearly pay.\n" in printed, "the seeds contradict each other"


def test_seeds_with_samples_of_their_own_are_said_to_have_them(tmp_path):
    write_ablation(tmp_path / "0")
    write_ablation(tmp_path / "1", labels=LABELS[::-1])
    assert "10 test reviews of its own" in call(*ablation(tmp_path, "0", "1"))


def test_bad_input_is_one_clear_line_and_writes_nothing(seeds):
    def complaint(path, *seeds_given):
        path.unlink()
        return fails(*ablation(seeds, *seeds_given))

    assert "no-dropout/probabilities-1.tsv: no such file: make it with `make ablation`" in complaint(
        seeds / "0" / "no-dropout" / "probabilities-1.tsv", "0", "1"
    )
    assert "second-phase/bert-finetune.bin: no such file" in complaint(
        seeds / "1" / "second-phase" / "bert-finetune.bin", "1", "2"
    )
    graph = seeds / "2" / "no-dropout" / "bert-finetune.pb"
    graph.write_bytes(b"not a graph")
    assert f"{graph}: cannot be read as a frozen graph" in fails(*ablation(seeds, "2"))
    assert f"{graph}: cannot be read as a frozen graph" in complaint(graph, "2")
    assert not (seeds / "out").exists()


def test_labels_that_do_not_agree_are_refused(seeds):
    flipped = LABELS.copy()
    flipped[0] = 1
    write_probabilities(seeds / "0" / "second-phase" / "probabilities-1.tsv", flipped, flipped * 0.5 + 0.25)
    assert "second-phase: its labels are not those of the other variants" in fails(*ablation(seeds, "0"))
    write_probabilities(seeds / "1" / "with-dropout" / "probabilities-2.tsv", flipped, flipped * 0.5 + 0.25)
    assert "probabilities-2.tsv: its labels are not those of" in fails(*ablation(seeds, "1"))


def test_arguments_that_are_no_seeds_are_refused(seeds):
    assert "nowhere: no such folder" in fails(main, f"--output_dir={seeds / 'out'}", "0=nowhere")
    assert "not SEED=FOLDER" in fails(main, f"--output_dir={seeds / 'out'}", str(seeds / "0"))
    assert "each seed once" in fails(*ablation(seeds, "0", "0"))


@pytest.mark.process
def test_the_command_prints_its_table_and_ends_with_one_line_on_an_error(seeds):
    command = "report.ablation", f"--output_dir={seeds / 'out'}", f"0={seeds / '0'}"
    done = run(*command)
    assert done.returncode == 0 and "| 0.9000<br>0.5958 to 0.9821 |" in done.stdout and not done.stderr
    (seeds / "0" / "no-dropout" / "probabilities-1.tsv").unlink()
    done = run(*command)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and not done.stdout
