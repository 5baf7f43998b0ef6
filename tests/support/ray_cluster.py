"""Machines of a Ray cluster, and what their Rays have in common."""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

RAY = Path(sys.executable).with_name("ray")
# One secret for all that is started here; a machine that dies is missed within a second or two, not half a minute;
# actors get their share of a busy machine.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}


def start_ray(start, address, head, cpus, before=""):
    """Starts a machine of a Ray cluster, and waits until it is up.

    Args:
      start: function that starts a command, as subprocess.Popen or Host.start.
      address: of this machine, IPv4.
      head: HOST:PORT of the first machine; this is it if the address is its own.
      cpus: int, that it has for Ray.
      before: a shell command for the machine.
    Returns: its Popen.
    """
    folder = tempfile.mkdtemp(prefix="t-", dir="/tmp")  # a socket's path is short
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    options = (
        f"--block --node-ip-address={address} --num-cpus={cpus} --object-store-memory={2**27} --disable-usage-stats"
    )
    if head.startswith(f"{address}:"):
        options += f" --head --port={head.split(':')[1]} --include-dashboard=false --temp-dir={folder}"
    else:
        options += f" --address={head} --temp-dir={folder}"
    log = Path(folder) / "start.log"
    command = f"{before or ':'} && exec {RAY} start {options}"
    for _ in range(3):  # Ray gives up after half a minute, which a busy machine may need
        with open(log, "w") as file:
            process = start("sh", "-c", command, stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None:
            if "Ray runtime started" in log.read_text():
                return process
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def here(*command, **options):
    """Starts a command on this machine; returns its Popen, which heads a process group of its own."""
    return subprocess.Popen(command, start_new_session=True, **options)


@pytest.fixture(scope="module")
def cluster():
    """The address of a Ray of two CPUs, and the Popen of its `ray start`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = start_ray(here, "127.0.0.1", address, 2)
    yield address, process
    for pid in [process.pid, *below(process)]:  # it would take half a minute to end them itself
        os.kill(pid, signal.SIGKILL)
    process.wait()


def below(process):
    """Returns {pid: command} of the processes that a Popen has started, and these in turn."""
    found, pids = {}, [process.pid]
    while pids:
        listed = subprocess.run(["ps", "-wwo", "pid=,args=", "--ppid", ",".join(map(str, pids))], capture_output=True)
        commands = dict(line.split(maxsplit=1) for line in listed.stdout.decode().splitlines())
        found |= {int(pid): command for pid, command in commands.items()}
        pids = list(commands)
    return found


def left(pids):
    """Returns what `ps` lists of the processes with these pids, but for those that wait to be waited for."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "-p", ",".join(map(str, pids))], capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if "<defunct>" not in line]
