"""Two workers under horovodrun train, evaluate and freeze what one does; runs in the tf1-horovod environment."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from modules import run
from training import REVIEWS, ROOT, export_with_head, fails, patched, write_examples, write_features
from waiting import LONG, until

pytestmark = pytest.mark.more
STEPS = 24


def launch(workers, *command):
    """Runs a script as `make result1 WORKERS=` does; returns the finished process."""
    return run("-m", "tf1.launch", f"--workers={workers}", "--", *command)


@pytest.fixture(scope="module")
def data(tiny, tmp_path_factory):
    """Features of 30 reviews of several lengths to train on, 43 to evaluate on: the last batch of 8 is not full."""
    folder = tmp_path_factory.mktemp("reviews")
    rows = [(f"{text} {'and so on ' * (i % 4)}{i}", label) for i, (text, label) in enumerate(10 * REVIEWS)]
    write_examples(folder, train=rows[:30], test=rows[:43])
    return write_features(folder, tiny)


def flags(pretrained, data_dir, output_dir, epochs=STEPS * 8 / 30 + 0.01):
    return [
        *(f"--data_dir={data_dir}", f"--output_dir={output_dir}", "--do_train=true", "--do_eval=true"),
        *(f"--vocab_file={pretrained}/vocab.txt", f"--bert_config_file={pretrained}/bert_config.json"),
        *(f"--init_checkpoint={pretrained}/bert_model.ckpt", "--max_seq_length=16", "--train_batch_size=8"),
        *("--learning_rate=1e-3", f"--num_train_epochs={epochs}", "--save_checkpoints_steps=6"),
    ]


@pytest.fixture(scope="module")
def runs(l12, data, tmp_path_factory):
    """The output folders of one worker and of two: a narrow L-12 without dropout, its loss noted in every step."""
    folder = tmp_path_factory.mktemp("runs")
    script = patched(folder)
    with open(script) as file:
        text = file.read().replace("\nSAVE_SUMMARY_STEPS = 10", "\nSAVE_SUMMARY_STEPS = 1")
    with open(script, "w") as file:
        file.write(text)
    found = {}
    for workers in (1, 2):
        command = [script, *flags(l12 + "/pretrained", data, folder / str(workers))]
        done = run(*command) if workers == 1 else launch(workers, *command)
        assert done.returncode == 0, done.stderr
        assert "eval_accuracy" in done.stdout and "worker 1" not in done.stdout + done.stderr
        assert f"{STEPS}/{STEPS} [" in done.stderr
        found[workers] = str(folder / str(workers))
    return found


def read_losses(folder):
    """Returns {step: training loss} of a folder's event files."""
    losses = {}
    for name in os.listdir(folder):
        if name.startswith("events"):
            for event in tf.compat.v1.train.summary_iterator(os.path.join(folder, name)):
                values = [value.simple_value for value in event.summary.value if value.tag in ("loss", "loss_1")]
                losses.update((event.step, value) for value in values)
    return losses


def test_two_workers_have_one_workers_loss_at_each_step(runs):
    one, two = (read_losses(runs[workers]) for workers in (1, 2))
    assert sorted(one) == sorted(two) and len(one) >= 20
    differences = [abs(one[step] - two[step]) for step in one]
    print(f"largest difference of a step's loss: {max(differences):.2g}")
    assert max(differences) <= 1e-4
    assert max(one.values()) - min(one.values()) > 0.01, "nothing was learnt"


def read_results(folder):
    with open(os.path.join(folder, "eval_results.txt")) as file:
        return {key: float(value) for key, value in (line.split(" = ") for line in file)}


def test_the_metrics_of_shares_add_up_to_those_of_all_reviews(runs, l12, data, tmp_path):
    one, two = read_results(runs[1]), read_results(runs[2])
    counts = [name for name in two if name.endswith(("positives", "negatives"))]
    assert sum(two[name] for name in counts) == 43
    assert one == pytest.approx(two, abs=1e-4)
    # One checkpoint evaluated by one worker and by two.
    folder = shutil.copytree(runs[2], str(tmp_path / "copy"))
    command = ["run_classifier.py", *flags(l12 + "/pretrained", data, folder), "--do_train=false"]
    assert run(*command).returncode == 0
    assert read_results(folder) == pytest.approx(two, abs=1e-6)


def test_only_the_first_writes(runs):
    def names(folder):
        return sorted(name.split("events")[0] for name in os.listdir(folder))

    assert names(runs[1]) == names(runs[2])


def test_the_frozen_graph_is_the_same(runs, tmp_path):
    for workers in (1, 2):
        pb = str(tmp_path / f"{workers}.pb")
        done = run("ckpt_to_pb.py", f"--init_checkpoint={runs[workers]}/model.ckpt-{STEPS}", f"--output_file={pb}")
        assert f"{pb}: 1636 ops" in done.stdout
        assert "IteratorGetNext:3 = segment_ids (?, 16)" in done.stdout


def test_workers_train_a_module_from_the_first_ones_weights(tiny, data, tmp_path):
    """As Google's modules, it has a variable that the loss does not reach: no worker has a gradient for it."""
    module, head = export_with_head(tiny, tmp_path), "module/cls/predictions/output_bias"
    given = ["--do_train=true", f"--data_dir={data}", f"--bert_hub_module_handle={module}", "--max_seq_length=16"]
    given += ["--train_batch_size=8", "--num_train_epochs=0.3", "--learning_rate=1e-3"]
    for workers in (1, 2):
        command = ["run_classifier.py", *given, f"--output_dir={tmp_path / str(workers)}"]
        done = run(*command) if workers == 1 else launch(workers, *command)
        assert done.returncode == 0, done.stderr
    first, second = (tf.train.load_checkpoint(str(tmp_path / workers / "model.ckpt-0")) for workers in "12")
    for variable in first.get_variable_to_shape_map():
        np.testing.assert_array_equal(first.get_tensor(variable), second.get_tensor(variable))
    trained = tf.train.load_checkpoint(str(tmp_path / "2/model.ckpt-1"))
    np.testing.assert_array_equal(trained.get_tensor(head), first.get_tensor(head))
    assert (trained.get_tensor("output_weights") != first.get_tensor("output_weights")).any()


def find_workers(pid):
    """Returns the process ids of the workers below one."""
    listed = subprocess.check_output(["ps", "-e", "-o", "pid=,ppid=,args="]).decode().splitlines()
    parents, commands = {}, {}
    for child, parent, command in (line.split(None, 2) for line in listed):
        parents[int(child)], commands[int(child)] = int(parent), command

    def is_below(one):
        return one == pid or (one in parents and is_below(parents[one]))

    python = sys.executable + " run_classifier.py "
    return sorted(one for one, command in commands.items() if command.startswith(python) and is_below(one))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_lost_worker_is_one_line_and_training_goes_on_from_the_last_checkpoint(number, tiny, data, tmp_path):
    """SIGKILL to the second worker; SIGINT, as at a terminal, to all but the workers, in groups of their own."""
    command = ["-m", "tf1.launch", "--workers=2", "--", "run_classifier.py", *flags(tiny, data, tmp_path, epochs=40)]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until((tmp_path / "model.ckpt-12.meta").exists, process)
    workers = find_workers(process.pid)
    assert len(workers) == 2
    os.kill(workers[1], number) if number == signal.SIGKILL else os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=LONG)
    assert process.returncode != 0 and "Traceback" not in stderr
    if number == signal.SIGKILL:
        lines = [line for line in stderr.splitlines() if "run it again to go on from the last checkpoint" in line]
        assert len(lines) == 1, stderr
    else:
        assert process.returncode == 130 and "ended" not in stderr and "Terminated" not in stderr, stderr
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)
    done = launch(2, "run_classifier.py", *flags(tiny, data, tmp_path, epochs=12))
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stdout and done.stdout.count("resuming") == 1
    assert read_results(str(tmp_path))["global_step"] == 45


@pytest.mark.parametrize(
    "given, message",
    [
        (["--workers=3", "--", "run_classifier.py", "FLAGS"], "--train_batch_size=8: 3 workers can't share it equally"),
        (["--workers=2", "--", "run_classifier.py", "FLAGS", "--data_dir=/nowhere"], "/nowhere/features.json: no such"),
        (["--workers=2", "--hosts=a", "--", "x"], "--hosts=a: write host:workers,host:workers"),
        (["--workers=2", "--hosts=localhost:1", "--", "x"], "--hosts=localhost:1: has room for fewer than 2 workers"),
        (
            ["--workers=2", "--hosts=nowhere.invalid:2", "--", "x"],
            "ssh does not reach all of them",
        ),
    ],
)
def test_what_cannot_be_shared_is_one_clear_line(given, message, tiny, data, tmp_path):
    place = given.index("FLAGS") if "FLAGS" in given else len(given)
    command = ["-m", "tf1.launch", *given[:place], *flags(tiny, data, tmp_path / "out"), *given[place + 1 :]]
    assert message in fails(*command)
    assert not (tmp_path / "out").exists()
