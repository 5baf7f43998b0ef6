"""Scoring on Ray: the bytes of one machine, whichever actor, driver or machine dies meanwhile."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hosts import make_hosts
from modules import ROOT, fails, run
from ray_cluster import below, cluster, here, left, start_ray
from small import WORDS, random_texts
from waiting import until

from infer.score import on_ray
from infer.score.__main__ import main
from infer.text.tokenizer import WINDOW

__all__ = ["cluster"]
pytestmark = pytest.mark.more
MANY = 12 * WINDOW + 500


def command(classifier, *arguments):
    command = [sys.executable, "-m", "infer", "score", "-m", classifier, "--engine", "ray", *arguments]
    return [str(argument) for argument in command]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The same rows as .jsonl and as .parquet, in row groups of any size, some of them bad."""
    folder, random = tmp_path_factory.mktemp("sources"), np.random.default_rng(4)
    rows = [{"n": i, "review": " ".join(random.choice(WORDS, 1 + i % 20))} for i in range(MANY)]
    (folder / "in.jsonl").symlink_to("rows.txt")  # what a file is goes by the name that is given
    with open(folder / "in.jsonl", "w") as file:
        file.write("\ufeff\n")
        for i, row in enumerate(rows):
            file.write(json.dumps(row) + "\n" + '{"review": 7}\n{\n' * (i % 5000 == 7))
    for row in rows[7::5000]:
        row["review"] = None
    table = pa.Table.from_pylist(rows)
    dictionary = table["review"].combine_chunks().dictionary_encode()
    with pq.ParquetWriter(folder / "in.parquet", table.schema) as writer:
        for begin, end in ((0, 100), (100, 101), (101, 9000), (9000, MANY)):
            writer.write_table(table[begin:end])
    pq.write_table(table.set_column(1, "review", dictionary), folder / "words.parquet", row_group_size=20_000)
    (folder / "parts.parquet").mkdir()
    for i in range(3):
        part = table[i * MANY // 3 : (i + 1) * MANY // 3]
        pq.write_table(part, folder / f"parts.parquet/part-{i}.parquet", row_group_size=3000)
    return folder


@pytest.fixture(scope="module")
def expected(classifier, sources):
    """Function: name of an input, suffix of an output to its path, as the one-machine path writes it."""

    def path(name, suffix):
        output = sources / f"{name}-expected{suffix}"
        if not output.exists():
            main(["-m", str(classifier), str(sources / name), str(output)])
        return output

    return path


def same(output, expected):
    """Asserts that an output and its list of bad rows are the expected bytes, and nothing else is left."""
    for suffix in ("", ".errors"):
        path = output.with_name(output.name + suffix)
        assert path.read_bytes() == expected.with_name(expected.name + suffix).read_bytes()
    assert not output.with_name(output.name + ".parts").exists()


def actors(process):
    """Returns the pids of the actors on a machine whose `ray start --block` is `process`."""
    return [pid for pid, command in below(process).items() if "MapWorker" in command]


PAIRS = [
    ("in.jsonl", ".jsonl"),
    ("in.jsonl", ".parquet"),
    ("in.parquet", ".jsonl"),
    ("words.parquet", ".parquet"),
    ("parts.parquet", ".jsonl"),
]
# Connects once, since that is what takes long.
SCRIPT = """
import argparse, json, pathlib, sys
from infer.score import on_ray, run
from infer.score.files import find_files
from infer.score.reading import Options
model, address, pairs = json.loads(sys.argv[1])
with on_ray.connected(address):
    for source, output in pairs:
        paths = {"input": find_files([pathlib.Path(source)]), "output": pathlib.Path(output), "model": model}
        options = {"device": "CPU", "hint": "throughput", "long": "cut", "precision": "fp32", "tolerance": 0}
        options |= {"strict": False, **Options()._asdict()}
        run.score(argparse.Namespace(**paths, **options), on_ray.score_windows)
"""


def test_the_bytes_are_those_of_one_machine(classifier, cluster, sources, expected, tmp_path):
    outputs = [tmp_path / f"{i}{suffix}" for i, (_, suffix) in enumerate(PAIRS)]
    pairs = [(str(sources / name), str(output)) for (name, _), output in zip(PAIRS, outputs, strict=True)]
    done = run("-c", SCRIPT, json.dumps([str(classifier), cluster[0], pairs]))
    assert done.returncode == 0, done.stderr
    for (name, suffix), output in zip(PAIRS, outputs, strict=True):
        same(output, expected(name, suffix))
    lines = done.stderr.splitlines()
    assert len(lines) == 2 * 12 + 3 * 6 and all(line.endswith(": skipped") for line in lines), "nothing of Ray's own"


def test_long_texts_are_read_there_as_on_one_machine(classifier, cluster, tmp_path):
    source, ray = tmp_path / "in.jsonl", ("--engine", "ray", "--ray_address", cluster[0])
    source.write_text("".join(json.dumps({"review": text}) + "\n" for text in random_texts(300)))
    written = {}
    for name, options in (("cut", ()), ("local", ("--long=windows",)), ("ray", ("--long=windows", *ray))):
        done = run("-m", "infer", "score", "-m", classifier, *options, source, tmp_path / f"{name}.jsonl")
        assert done.returncode == 0, done.stderr
        written[name] = (tmp_path / f"{name}.jsonl").read_bytes(), done.stderr
    assert written["ray"] == written["local"] != written["cut"]


@contextlib.contextmanager
def scoring(start, output, *command, **options):
    """Starts scoring; yields its Popen once a part is there that was not before, and not all of them are."""
    parts = output.with_name(output.name + ".parts")
    before = set(parts.glob("0*"))
    process = start(*map(str, command), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        until(lambda: set(parts.glob(f"0*{output.suffix}")) - before or process.poll() is not None)
        assert process.poll() is None, process.stderr.read()
        yield process
        assert process.wait(120) is not None
    finally:
        process.kill()
        process.wait()


def test_an_actor_and_then_the_driver_killed(classifier, cluster, sources, expected, tmp_path):
    address, process = cluster
    output = tmp_path / "out.jsonl"
    given = command(classifier, "--ray_address", address, sources / "in.jsonl", output)
    with scoring(here, output, *given) as driver:
        (victim, _) = actors(process)
        os.kill(victim, signal.SIGKILL)
        _, stderr = driver.communicate()
    assert driver.returncode == 0, stderr
    same(output, expected("in.jsonl", ".jsonl"))

    output.unlink()
    with scoring(here, output, *given) as driver:
        driver.kill()
    assert not output.exists()
    until(lambda: not actors(process))
    done = run(*given[1:])
    assert done.returncode == 0 and "going on after " in done.stderr, done.stderr
    same(output, expected("in.jsonl", ".jsonl"))


def test_a_ray_of_its_own_is_gone_after_an_interrupt_and_a_kill(classifier, sources, expected, tmp_path):
    output = tmp_path / "out.parquet"
    given = command(classifier, sources / "in.parquet", output)
    for number in (signal.SIGINT, signal.SIGKILL):
        default = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
        with scoring(here, output, *given, **default) as driver:
            driver.send_signal(signal.SIGSTOP)  # it would have ended while `ps` looks
            started = below(driver)
            assert actors(driver)
            driver.send_signal(number)
            driver.send_signal(signal.SIGCONT)
            driver.wait(120)
            until(lambda pids=list(started): not left(pids))  # Ray's agents look for a killed server for a minute
            stderr = driver.stderr.read()
        if number == signal.SIGINT:
            assert driver.returncode == 130 and stderr.splitlines()[-1] == "interrupted: run it again to go on"
    assert not output.exists()
    done = run(*given[1:])
    assert done.returncode == 0 and "going on after " in done.stderr, done.stderr
    same(output, expected("in.parquet", ".parquet"))
    (folder,) = set(re.findall("/tmp/infer-[^/ ]*", " ".join(started.values())))
    shutil.rmtree(folder)  # as nobody is left to do


def test_a_machine_cut_off(classifier, sources, expected, tmp_path):
    """Two hosts of one CPU each; one whose input is another is named, and one that dies is done without."""
    output, size = tmp_path / "out.jsonl", (sources / "in.jsonl").stat().st_size
    with make_hosts(3) as (first, second, third):
        address = f"{first.address}:6379"
        given = command(classifier, "--ray_address", address, sources / "in.jsonl", output)
        start_ray(first.start, first.address, address, 1)
        another = f"mount -t tmpfs none {sources} && truncate -s {size} {sources}/in.jsonl"
        misled = start_ray(second.start, second.address, address, 1, another)
        done = first.run(*given, cwd=ROOT)
        last = done.stderr.splitlines()[-1]
        why = "not the same file as where the command runs"
        assert (done.returncode, last) == (1, f"{second.address}: {sources}/in.jsonl: {why}")
        second.kill()
        assert misled.wait() and not output.exists()

        # So long that the first host's actor is still at it when the third's has started.
        (sources / "long.jsonl").write_bytes(30 * (sources / "in.jsonl").read_bytes().removeprefix("\ufeff".encode()))
        output = tmp_path / "long.jsonl"
        given = command(classifier, "--ray_address", address, sources / "long.jsonl", output)
        other = start_ray(third.start, third.address, address, 1)
        with scoring(first.start, output, *given) as driver:
            until(lambda: actors(other))
            assert driver.poll() is None
            third.crash()
            _, stderr = driver.communicate()
        assert driver.returncode == 0, stderr
        same(output, expected("long.jsonl", ".jsonl"))


def test_what_cannot_be_done_is_one_clear_line(classifier, cluster, sources, tmp_path):
    address, output = cluster[0], tmp_path / "out.jsonl"
    source, engine = sources / "in.jsonl", ("-m", "infer", "score", "-m", classifier, "--engine", "ray")

    def line(*arguments, **options):
        return fails(*engine, *arguments, **options)

    (tmp_path / "in.csv").write_text("review\ngood\n")
    assert "in.csv: Ray scores .jsonl and .parquet into either" in line(tmp_path / "in.csv", output)
    for name in ("in.jsonl.gz", "in.json"):
        (tmp_path / name).touch()
        assert f"{name}: Ray scores .jsonl and .parquet into either" in line(tmp_path / name, output)
    (tmp_path / "array.jsonl").write_text('[{"review": "good"}]')
    lines = "array.jsonl: Ray scores a .jsonl that is lines of JSON in UTF-8: leave out the engine"
    assert lines in line(tmp_path / "array.jsonl", output)
    assert "device GPU: Ray scores on the CPU" in line("-d", "GPU", source, output)
    assert line("--ray_address", "here", source, output) == "here: must be HOST:PORT, such as 10.0.0.1:6379"
    assert "127.0.0.1:99999: must be HOST:PORT" in line("--ray_address", "127.0.0.1:99999", source, output)
    assert line("--ray_address", "127.0.0.1:9", source, output) == "127.0.0.1:9: no Ray there: Connection refused"
    stranger = os.environ | {"RAY_AUTH_TOKEN": "0" * 64}
    assert "its token is another: set RAY_AUTH_MODE" in line("--ray_address", address, source, output, env=stranger)
    other = "import ray, sys; ray.__version__ = '2.0.0'\nfrom infer.score.__main__ import main; main(sys.argv[1:])"
    message = fails("-c", other, *engine[3:], "--ray_address", address, source, output)
    assert message.startswith(f"{address}: cannot use this Ray: ") and "Ray: 2.0.0" in message
    with on_ray.connected(address):
        import ray

        busy = ray.util.placement_group([{"CPU": 2}])
        ray.get(busy.ready())
        message = line("--ray_address", address, source, output)
    assert message.endswith("no CPU of Ray's is free: wait until another job has ended")
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".gz", ".json", ".jsonl"} and not output.exists()
