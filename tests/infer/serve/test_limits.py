"""Clients that are slow, many, rude or gone, and signals: nothing hangs, nothing that was answered is lost."""

import contextlib
import json
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from modules import ROOT
from serving import FP32, command, error_of, message_of, read_answer, serving
from small import mounted, random_texts
from waiting import LONG, until

pytestmark = pytest.mark.process
MIB = 1 << 20
TEXTS = random_texts(300)


def request(body, **headers):
    lines = ["POST /predict HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


GOOD = request(b'{"inputs": "good"}')


def ends(connection):
    """Waits until the other end closes the connection, whatever comes before."""
    connection.settimeout(LONG)
    with contextlib.suppress(ConnectionError):
        while connection.recv(1 << 16):
            pass


@pytest.mark.parametrize(
    "start", [b"", *(pytest.param(start, marks=pytest.mark.more) for start in (b"P", GOOD[:40], GOOD[:-5]))]
)
def test_a_client_that_sends_a_byte_a_second_is_told_and_cut_off(classifier, start):
    with serving(classifier, "--seconds", 3) as served, served.connect() as slow:
        slow.sendall(start)
        stopped = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                for i in range(len(start), len(GOOD)):
                    if stopped.wait(1):
                        return
                    slow.sendall(GOOD[i : i + 1] if start else b"\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            for _ in range(3):
                assert served.predict("good"), "others are answered"
            if start:
                status, headers, body = read_answer(slow)
                assert status == 408 and "within 3 seconds" in message_of(body) and headers["connection"] == "close"
            ends(slow)
        finally:
            stopped.set()
            dripping.join()


def test_a_client_that_does_not_read_its_answers_is_cut_off(classifier):
    texts = json.dumps({"inputs": ["good"] * 1024}).encode()
    with serving(classifier, "--seconds", 3) as served, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", served.port))
        deaf.settimeout(LONG)
        with pytest.raises(ConnectionError):
            while True:
                deaf.sendall(request(texts))
        assert served.predict("good")


def test_clients_that_leave_in_mid_answer_cost_nothing_more(classifier):
    with serving(classifier, "--batch_texts", 1, "--queue", 20_000) as served:
        body = request(json.dumps({"inputs": TEXTS * 3}).encode())
        for _ in range(50):
            with served.connect() as leaving:
                leaving.sendall(body)
                until(lambda: served.metric("infer_queue_texts") > 0)
        assert served.predict("good")
        until(lambda: served.metric("infer_queue_texts") == 0)
        assert served.metric("infer_texts_total") < 50 * 3 * len(TEXTS) / 2, "what they asked for is not predicted"
        assert served.metric('infer_requests_total{path="/predict",status="499"}') >= 25


def test_a_full_queue_is_told_at_once(classifier):
    flags = "--queue", 64, "--texts", 64, "--batch_texts", 1
    many = {"inputs": ["good film " * 20] * 64}
    with serving(classifier, *flags) as served, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: served.client.post("/predict", json=many), range(64)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused and len(refused) < 64 and {answer.status_code for answer in answers} == {200, 503}
        for answer in refused:
            assert "too many texts are waiting" in error_of(answer) and answer.headers["retry-after"] == "1"
        assert served.predict("good"), "and then there is room again"


def test_an_answer_that_takes_too_long_is_told(classifier):
    limits = ("--seconds", 0.3, "--batch_texts", 1, "--texts", 8192, "--queue", 8192)
    with serving(classifier, *limits) as served:  # so many texts, each computed alone, take any machine longer
        answer = served.client.post("/predict", json={"inputs": ["good " * 20] * 8192})
        assert answer.status_code == 503 and "no answer within 0.3 seconds" in error_of(answer)
        assert answer.headers["retry-after"] == "1"
        until(lambda: served.metric("infer_queue_texts") == 0)
        assert served.predict("good")


@pytest.mark.parametrize("path", ["/predict", "/explain", "/v2/models/classifier/infer"])
def test_a_body_that_is_too_long_is_refused_before_it_has_come(served, path):
    before = served.memory()
    with served.connect() as sending:
        sending.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 30}\r\n\r\n".encode() + b"[")
        status, _, body = read_answer(sending)
        assert status == 413 and f"longer than {MIB} bytes" in message_of(body)
    with served.connect() as sending:
        sending.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        answered = threading.Event()

        def send():
            with contextlib.suppress(OSError):
                for _ in range(1 << 10):
                    sending.sendall(b"100000\r\n" + b" " * MIB + b"\r\n")

        thread = threading.Thread(target=send)
        thread.start()
        status, _, body = read_answer(sending)
        answered.set()
        assert status == 413 and f"longer than {MIB} bytes" in message_of(body)
        ends(sending)
        thread.join()
    assert served.memory() - before < 100 * MIB
    assert served.predict("good")


@pytest.mark.more
def test_a_text_of_ten_million_characters(served, classifier):
    body = json.dumps({"inputs": "good film " * MIB}).encode()
    answer = served.client.post("/predict", content=body)
    assert answer.status_code == 413 and "longer than" in error_of(answer)
    with serving(classifier, "--body", 100 * MIB, "--characters", 20_000_000) as other:
        assert other.client.post("/predict", content=body).json() == other.predict("good film " * 100)
        found = other.client.post("/explain", content=body).json()
        assert found["total_words"] == 2 * MIB and len(found["words"]) < 100


@pytest.mark.parametrize(
    "data, status",
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /predict HTTP/9.9\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"a" * (1 << 17), 431),
        (b"GET /" + b"a" * (1 << 17), 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (1 << 15), 431),
    ],
)
def test_what_is_not_http_is_told_in_one_line(served, data, status):
    with served.connect() as rude:
        with contextlib.suppress(ConnectionError):
            rude.sendall(data)
        found, _, body = read_answer(rude)
        assert found == status and message_of(body)
        ends(rude)
    assert served.predict("good")


def test_a_flood_of_requests_sent_ahead_is_cut_off(served):
    before = served.memory()
    with served.connect() as flooding, pytest.raises(ConnectionError):
        while True:
            flooding.sendall(GOOD * 10_000)
    assert served.predict("good") and served.memory() - before < 100 * MIB


def test_a_few_requests_sent_ahead_are_answered_in_turn(served):
    with served.connect() as connection:
        connection.sendall(GOOD * 10)
        with connection.makefile("rb") as file:
            for _ in range(10):
                assert file.readline() == b"HTTP/1.1 200 OK\r\n"
                headers = b"".join(iter(file.readline, b"\r\n")).decode().lower()
                length = int(headers.partition("content-length: ")[2].split()[0])
                assert b"label" in file.read(length)


def test_an_idle_connection_makes_room(classifier):
    with serving(classifier, "--connections", 8) as served, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(served.connect()) for _ in range(50)]
        for _ in range(10):
            assert served.predict("good")
        ends(idle[0])


def test_connections_that_are_busy_make_no_room(classifier):
    with serving(classifier, "--connections", 4) as served, contextlib.ExitStack() as stack:
        served.client.close()
        busy = [stack.enter_context(served.connect()) for _ in range(4)]
        for connection in busy:
            connection.sendall(GOOD[:-1])

        def refused():
            with served.connect() as late, contextlib.suppress(ConnectionError):
                status, headers, body = read_answer(late)
                return status == 503 and "too many connections" in message_of(body) and headers["retry-after"] == "1"

        until(refused)
        for connection in busy:
            connection.sendall(GOOD[-1:])
            assert read_answer(connection)[0] == 200


@pytest.mark.more
def test_ten_thousand_idle_connections(classifier):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, hard))
    try:
        with serving(classifier) as served, contextlib.ExitStack() as stack:
            before = served.memory()
            for i in range(count):
                stack.enter_context(served.connect())
                if i % 500 == 0:
                    assert served.predict("good")
            assert served.predict("good") and served.memory() - before < 50 * MIB
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_once_what_it_has_is_answered(classifier, number, code):
    limits = ("--batch_texts", 1, "--texts", 2048, "--queue", 8192)  # enough that all four are there before one is done
    with serving(classifier, *limits) as served, ThreadPoolExecutor(4) as pool:
        inputs = {"inputs": ["good film " * 20] * 2048}
        asked = [pool.submit(httpx.post, f"{served.url}/predict", json=inputs, timeout=LONG) for _ in range(4)]
        until(lambda: served.metric("infer_queue_texts") > 3 * 2048)
        served.client.close()
        served.process.send_signal(number)
        for answer in asked:
            assert answer.result().status_code == 200 and len(answer.result().json()) == 2048
        assert served.process.wait(LONG) == code
        with pytest.raises(ConnectionError):
            served.connect()


def test_a_signal_leaves_no_more_than_its_time(classifier):
    with serving(classifier, "--grace", 0.5, "--seconds", 1000) as served, served.connect() as slow:
        slow.sendall(GOOD[:-1])
        assert served.predict("good")
        served.client.close()
        start = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(LONG) == 0
        assert time.monotonic() - start < LONG / 2
        ends(slow)


def positive(served):
    """Returns the probability of Positive of each of TEXTS, which rounding moves where batches are others."""
    answers = served.predict(TEXTS)
    return [score for answer in answers for label, score in map(dict.values, answer) if label == "Positive"]


def test_killed_it_starts_again_on_the_same_port(classifier):
    with serving(classifier) as served:
        expected = positive(served)
        served.connect().sendall(GOOD[:20])
        served.process.kill()
        served.process.wait()
        with serving(classifier, "--port", served.port) as again:
            assert again.port == served.port
            np.testing.assert_allclose(positive(again), expected, atol=FP32)


def test_where_nothing_can_be_kept_it_says_so_and_serves(classifier, tmp_path):
    files = classifier, classifier.with_suffix(".bin")
    room = sum(file.stat().st_size for file in files) // 1024 + 24  # for folders, and no compiled model
    with mounted(tmp_path / "disk", "-o", f"size={room}k") as disk:
        for file in files:
            shutil.copy(file, disk)
        for _ in range(2):
            with serving(disk / classifier.name) as served:
                assert served.predict("good") and served.metric("infer_texts_total") == 1
                said = f"{disk / classifier.name}: what was compiled cannot be kept beside it"
                assert served.errors().startswith(said) and served.errors().count("\n") == 1
                served.log.truncate(0)


def test_a_log_on_a_full_disk_costs_no_answer(classifier):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = *command(classifier), "--port", str(port)
    with open("/dev/full", "w") as full, subprocess.Popen(words, cwd=ROOT, stdout=full, stderr=full) as process:
        try:

            def answers():
                with contextlib.suppress(httpx.ConnectError):
                    return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).status_code == 200

            until(answers, process)
            process.terminate()
            assert process.wait(LONG) == 0
        finally:
            process.kill()


@pytest.mark.more
def test_memory_stays_flat(classifier):
    """A minute of what clients do, after one to warm up; `make bench-serve` has ten."""
    with serving(classifier) as served, ThreadPoolExecutor(16) as pool:

        def ask(i):
            with contextlib.suppress(ConnectionError), served.connect() as leaving:
                leaving.sendall(GOOD[: i % len(GOOD)])
            return served.client.post("/predict", json={"inputs": TEXTS[i % 300 : i % 300 + 20] or "good"}).status_code

        def minute(seconds):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                assert set(pool.map(ask, range(500))) <= {200, 503}
            return served.memory()

        warm = minute(60)  # OpenVINO keeps what it has prepared for each shape of a batch
        assert minute(60) - warm < 20 * MIB
