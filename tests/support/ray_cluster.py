"""Machines of a Ray cluster, and what their Rays have in common."""

import atexit
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
