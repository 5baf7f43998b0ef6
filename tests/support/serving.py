"""A server in a process of its own, as `python -m infer serve` starts it."""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile

import httpx
from modules import ROOT
from waiting import LONG

FP32 = 5e-6  # in probability: what one text's answers differ by from batch to batch is below it


class Served:
    """A server: its process, address, and an httpx.Client for it."""

    def __init__(self, process, log, token):
        self.process, self.log = process, log
        line = process.stdout.readline()
        assert line.startswith("serving "), self.errors()
        self.url = line.split()[-1]
        self.port = int(self.url.rpartition(":")[2])
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(base_url=self.url, timeout=LONG, headers=headers, trust_env=False)

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def predict(self, inputs, **options):
        """Returns the answer of /predict, which must be one."""
        answer = self.client.post("/predict", json={"inputs": inputs} | options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def metric(self, name):
        """Returns the value of a line of /metrics that begins with `name`, or 0."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def connect(self):
        """Returns a socket to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONG)

    def memory(self):
        """Returns its resident memory in bytes."""
        return self.metric("process_resident_memory_bytes")


def command(classifier, *flags):
    """Returns the command of a server, as a list of str."""
    return [sys.executable, "-m", "infer", "serve", "-m", str(classifier), "--port", "0", *map(str, flags)]


@contextlib.contextmanager
def serving(classifier, *flags, token=None):
    """A Served; it must end well when it is told to, and have said nothing to stderr."""
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command(classifier, *flags), cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            served = Served(process, log, token)
            yield served
            served.client.close()
            if process.poll() is None:
                process.terminate()
                assert process.wait(LONG) == 0, served.errors()
            assert not served.errors(), served.errors()
        finally:
            process.kill()


def read_answer(connection):
    """Returns (status, headers, body) of the answer on a socket."""
    with connection.makefile("rb") as file:
        status = int(file.readline().split()[1])
        lines = iter(file.readline, b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.decode().partition(":") for line in lines)}
        body = file.read(int(headers["content-length"]))
    return status, headers, body


def error_of(answer):
    """Returns the message of an httpx answer that is an error, which must be JSON of one line."""
    assert answer.status_code >= 400 and answer.headers["content-type"] == "application/json", answer
    return message_of(answer.content)


def message_of(body):
    error = json.loads(body)
    assert set(error) == {"error", "error_type"} and error["error"] and b"\n" not in body
    assert "\n" not in error["error"] and "Traceback" not in error["error"]
    return error["error"]
