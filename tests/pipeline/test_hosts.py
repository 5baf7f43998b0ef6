"""Fine-tuning across two hosts, each a network namespace with an address of its own, and with one cut off."""

import contextlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from checkout import clean_environment, copy_checkout, make
from hosts import make_hosts
from waiting import LONG, until

pytestmark = pytest.mark.more
TINY = "PROFILE=tiny"
# What ssh does with `-o option host -o option command`, where every host has the same files. A name of its own, since
# Horovod tells hosts apart by that.
SSH = """#!/usr/bin/env python3
import os, sys
names = dict(pair.split("=") for pair in os.environ["HOSTS_BY_ADDRESS"].split(","))
words = [word for before, word in zip(sys.argv, sys.argv[1:]) if "-o" not in (before, word)]
name, command = names[words[0]], " ".join(words[1:])
os.execvp("ip", ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", f"hostname {name}; {command}"])
"""


@pytest.fixture
def hosts(tmp_path):
    """Two hosts that reach each other by `ssh`, and the environment for it."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH)
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    with make_hosts(2) as made, contextlib.ExitStack() as stack:
        for host in made:  # iproute2 puts these files in the place of the machine's own
            folder = Path("/etc/netns", host.name)
            folder.mkdir(parents=True)
            stack.callback(shutil.rmtree, folder)
            known = [f"{one.address} {one.name}" for one in made]
            (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *known]) + "\n")
        names = ",".join(f"{host.address}={host.name}" for host in made)
        path = f"{ssh.parent}:{os.environ['PATH']}"
        yield made, clean_environment(PATH=path, HOSTS_BY_ADDRESS=names, HOROVOD_GLOO_TIMEOUT_SECONDS="20")


def start(host, checkout, environment, *arguments):
    """Starts make on a host; returns its Popen, whose output is in checkout/make.log."""
    with open(checkout / "make.log", "w") as log:
        named = ("unshare", "--uts", "sh", "-c", f'hostname {host.name}; exec make "$@"', "make")
        return host.start(*named, *arguments, cwd=checkout, env=environment, stdout=log, stderr=subprocess.STDOUT)


def test_a_host_that_is_cut_off_ends_training_in_one_line_and_the_rest_is_trained_once_it_is_back(hosts, tmp_path):
    (first, second), environment = hosts
    checkout = copy_checkout(tmp_path / "checkout")
    make(checkout, "features", TINY)
    result1 = checkout / "build/tiny/result1"
    shared = f"{first.address}:1,{second.address}:1"
    goal = ("result1", TINY, "EPOCHS=30.0", "WORKERS=2", f"HOSTS={shared}")
    process = start(first, checkout, environment, *goal)
    until((result1 / "model.ckpt-16.meta").exists, process)
    workers = second.run("sh", "-c", f"ip netns pids {second.name} | wc -l")
    assert int(workers.stdout) >= 1, "the second worker is not on the second host"
    second.unplug()
    assert process.wait(timeout=LONG) != 0
    output = (checkout / "make.log").read_text()
    assert output.count("run it again to go on from the last checkpoint") == 1 and "Traceback" not in output, output
    assert not (result1 / "eval_results.txt").exists()

    second.kill()
    second.plug()
    process = start(first, checkout, environment, *goal)
    assert process.wait(timeout=LONG) == 0, (checkout / "make.log").read_text()
    output = (checkout / "make.log").read_text()
    assert "resuming build/tiny/result1 at step" in output and "global_step = 240" in output
    assert "all as recorded" in make(checkout, "verify", TINY)


def test_one_make_gives_the_same_to_two_workers_as_to_one(tmp_path):
    """On one host, through Make: what follows is made of it as of any other."""
    checkout = copy_checkout(tmp_path / "checkout")
    output = make(checkout, "predict", TINY, "WORKERS=2", "EPOCHS=1.0", "EPOCHS2=1.0")
    assert "-m tf1.launch --workers=2 -- run_classifier.py" in output and "0 labels differ" in output
    assert make(checkout, "predict", TINY, "WORKERS=2", "EPOCHS=1.0", "EPOCHS2=1.0").count("\n") == 5
    plan = make(checkout, "-n", "predict", TINY, "EPOCHS=1.0", "EPOCHS2=1.0")
    assert "tf1.launch" not in plan and "run_classifier.py --do_train" in plan, "one worker's result is another's"
