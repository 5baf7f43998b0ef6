"""A Ray of this process's own, or a cluster that it joins: for --engine ray of score and serve."""

import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path

import ray

ROOT = Path(__file__).parents[1]  # what actors import infer from
PATIENCE = 60  # seconds for an address to answer
TERMINAL = os.dup(2)  # standard error, while Ray starts without it
STORE = 2**29  # bytes of memory for what is on its way between actors and driver; what is beyond goes to disk


def init(address, **options):
    """Calls ray.init so that it says nothing but what it raises, and Ray's C++ nothing but how it crashed, if so."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    what = "cannot start a Ray here" if address == "local" else f"{address}: cannot use this Ray"

    def give_up():
        os.write(TERMINAL, f"{address}: no Ray answers there within {PATIENCE} seconds\n".encode())
        os._exit(1)

    timer = threading.Timer(PATIENCE, give_up)  # ray.init waits for ever for what is no Ray
    if address != "local":
        timer.start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # C++ says that it was told to say nothing
    try:
        ray.init(address, include_dashboard=False, logging_level=logging.CRITICAL, log_to_driver=False, **options)
    except Exception as error:
        sys.exit(f"{what}: {explain(error)}")
    finally:
        timer.cancel()
        os.dup2(TERMINAL, 2)
        os.close(nowhere)


@contextlib.contextmanager
def connected(address):
    """Connects this process to a cluster, HOST:PORT, or starts a Ray of its own that ends with it.

    Raises: SystemExit if there is no such cluster.
    """
    folder = None
    try:
        if address:
            host, _, port = address.rpartition(":")
            try:
                if int(port) not in range(1, 2**16):
                    raise ValueError
                socket.create_connection((host, int(port)), 5).close()
            except ValueError:
                sys.exit(f"{address}: must be HOST:PORT, such as 10.0.0.1:6379")
            except OSError as error:
                sys.exit(f"{address}: no Ray there: {error.strerror or error}")
            init(address)
        else:
            os.environ.setdefault("RAY_worker_niceness", "0")  # beside other work, 15 leaves actors next to nothing
            folder = tempfile.mkdtemp(prefix="infer-", dir="/tmp")  # sockets lie in it, whose paths have to be short
            init("local", _temp_dir=folder, object_store_memory=STORE)
        yield
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def explain(error):
    """Returns what is wrong with a Ray that ray.init raised `error` for, in one line."""
    reasons = [str(error), str(error.__cause__ or "")]
    if "InvalidAuthToken" in reasons[1]:
        return "its token is another: set RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH as for `ray start`"
    return " ".join(reasons[0].split())


def last_line(error):
    """Returns the last line of what Ray says of an error, which ends with its traceback."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def count_free():
    """Returns how many CPUs of Ray's are free; raises SystemExit if none is."""
    if free := int(ray.available_resources().get("CPU", 0)):
        return free
    sys.exit("no CPU of Ray's is free: wait until another job has ended")
