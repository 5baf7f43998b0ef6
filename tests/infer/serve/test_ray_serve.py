"""Serving on Ray: the answers of one process, whichever replica dies meanwhile, and nothing of it left at the end."""

import os
import re
import shutil
import signal
import threading

import httpx
import numpy as np
import pytest
from hosts import make_hosts
from modules import ROOT, fails
from ray_cluster import below, cluster, left, start_ray
from serving import FP32, command, error_of, serving
from small import random_texts, save, save_broken
from waiting import LONG, until

__all__ = ["cluster"]
pytestmark = pytest.mark.more
TEXTS = random_texts(300)
TOKEN = "0123456789abcdef"
RAY = "--engine", "ray"


@pytest.fixture(scope="module")
def served(classifier, tmp_path_factory):
    """A server with a Ray of its own and two replicas, and a token."""
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text(TOKEN)
    with serving(classifier, *RAY, "--replicas", 2, "--seconds", 100, "--token_file", path, token=TOKEN) as found:
        yield found
        found.client.close()
        found.process.terminate()
        assert found.process.wait(LONG) == 0, found.errors()
        assert "worker died" in found.errors(), "Ray tells of the replicas that were killed"
        found.log.truncate(0)


def replicas(process):
    """Returns the pids of the replicas below a Popen."""
    return [pid for pid, line in below(process).items() if line.startswith("ray::ServeReplica")]


def test_the_answers_are_those_of_one_process(served, model):
    answers = [served.predict(text) for text in TEXTS[:20]] + served.predict(TEXTS)
    found = [[{row["label"]: row["score"] for row in answer}[label] for label in model.labels] for answer in answers]
    np.testing.assert_allclose(found, model.predict_window(TEXTS[:20] + TEXTS), atol=FP32)
    assert served.metric("infer_texts_total") == 320 and len(replicas(served.process)) == 2


def test_the_token_and_the_limits_are_those_of_one_process(served):
    answer = httpx.get(f"{served.url}/info", trust_env=False)
    assert answer.status_code == 401 and "token" in error_of(answer)
    answer = served.client.post("/predict", json={"inputs": ["good"] * 1025})
    assert answer.status_code == 422 and "length <= 1024" in error_of(answer)


@pytest.mark.parametrize("count", [1, 2])
def test_replicas_that_are_killed_are_replaced_while_clients_go_on_asking(served, count):
    expected, stopped, statuses = served.predict(TEXTS[0]), threading.Event(), []

    def ask():
        with httpx.Client(base_url=served.url, timeout=LONG, headers=served.client.headers, trust_env=False) as client:
            while not stopped.is_set():
                answer = client.post("/predict", json={"inputs": TEXTS[0]})
                same = {row["label"]: row["score"] for row in expected}
                close = all(abs(same[row["label"]] - row["score"]) <= FP32 for row in answer.json())
                statuses.append((answer.status_code, close))

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    try:
        before = replicas(served.process)
        for pid in before[:count]:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len({*replicas(served.process)} - {*before}) == count)
        answered = len(statuses)
        until(lambda: len(statuses) > answered + 100)
    finally:
        stopped.set()
        for client in clients:
            client.join()
    assert {*statuses} == {(200, True)}, "what a killed one had is answered by another"


def test_replicas_that_hang_are_told_within_the_seconds_of_a_request(classifier):
    with serving(classifier, *RAY, "--seconds", 3) as served:
        stopped = replicas(served.process)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        answer = served.client.post("/predict", json={"inputs": "good"})
        assert answer.status_code == 503 and "try again" in error_of(answer) and answer.headers["retry-after"] == "1"
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        until(lambda: served.client.post("/predict", json={"inputs": "good"}).status_code == 200)


def test_a_classifier_that_computes_nan_says_so(tmp_path):
    save_broken(tmp_path / "classifier.xml")
    with serving(tmp_path / "classifier.xml", *RAY) as served:
        answer = served.client.post("/predict", json={"inputs": "dull"})
        assert answer.status_code == 424 and "NaN or infinite" in error_of(answer)


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_all_that_it_started_ends_with_it(classifier, number, code):
    with serving(classifier, *RAY) as served:
        started = below(served.process)
        assert replicas(served.process)
        (folder,) = set(re.findall("/tmp/infer-[^/ ]*", " ".join(started.values())))
        served.client.close()
        served.process.send_signal(number)
        assert served.process.wait(LONG) == code
        until(lambda: not left(started))
    assert os.path.exists(folder) == (number == signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def test_on_a_cluster_nothing_is_left_and_one_that_was_killed_starts_again(classifier, cluster):
    address, process = cluster
    flags = *RAY, "--ray_address", address
    with serving(classifier, *flags) as served:
        served.process.kill()
        served.process.wait()
        assert replicas(process), "a cluster keeps them"
        with serving(classifier, *flags, "--port", served.port) as again:
            assert again.predict("good")
    until(lambda: not [line for line in below(process).values() if "Serve" in line])


def test_a_machine_with_another_classifier_is_told(classifier, tmp_path):
    path = tmp_path / "here" / "classifier.xml"
    path.parent.mkdir()
    save(path, 1)
    save(tmp_path / "classifier.xml", 2)
    with make_hosts(2) as (first, second):
        address = f"{first.address}:6379"
        start_ray(first.start, first.address, address, 1)
        start_ray(second.start, second.address, address, 1, f"mount --bind {tmp_path} {path.parent}")
        done = first.run(*command(path, *RAY, "--ray_address", address), cwd=ROOT)
    assert done.returncode == 1
    why = f"{second.address}: {path}: not the same file as where the command runs"
    assert done.stderr.splitlines()[-1].endswith(why)


def test_what_cannot_be_served_is_one_clear_line(classifier):
    serve = "-m", "infer", "serve", "-m", classifier, "--port", 0, *RAY
    assert "device GPU: Ray serves on the CPU" in fails(*serve, "-d", "GPU")
    assert "127.0.0.1:9: no Ray there" in fails(*serve, "--ray_address", "127.0.0.1:9")
    assert "--replicas 1000: each needs a CPU, and " in fails(*serve, "--replicas", 1000)
