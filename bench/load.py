"""Clients of a server, each of which asks for the next answer once it has one: python -m bench.load PORT PATH …

Prints one line of JSON: requests_per_second, and p50 and p99 of a request, in seconds.
"""

import argparse
import asyncio
import itertools
import json
import time
from pathlib import Path

import numpy as np
import uvloop

WARM_UP = 0.2  # of the time, before anything counts


class Client(asyncio.Protocol):
    """Asks on one connection for one text after the other; notes the times of each request and answer."""

    def __init__(self, bodies, path, times):
        self.bodies, self.path, self.times = bodies, path, times
        self.received, self.failed = b"", None

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        body = next(self.bodies)
        head = f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.asked = time.perf_counter()
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def data_received(self, data):
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        lower = head.lower()
        _, chunked, _ = lower.partition(b"transfer-encoding: chunked")
        if chunked and not body.endswith(b"\r\n0\r\n\r\n"):
            return
        if not chunked and len(body) < int(lower.partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed = head.split(b"\r\n")[0].decode()
            return self.transport.close()
        self.times.append((self.asked, time.perf_counter()))
        self.received = b""
        self.ask()

    def connection_lost(self, error):
        self.failed = self.failed or "the connection was closed"


async def load(port, path, texts, clients, seconds):
    """Returns (list of (time of the request, time of the answer), its start, its end); exits if a client failed."""
    bodies = itertools.cycle([json.dumps({"inputs": text}).encode() for text in texts])
    times, loop = [], asyncio.get_running_loop()
    made = [Client(bodies, path, times) for _ in range(clients)]
    for client in made:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    end = time.perf_counter()
    if failed := [client.failed for client in made if client.failed]:
        raise SystemExit(f"{len(failed)} of {clients} clients failed: {failed[0]}")
    return times, start, end


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("port", type=int, help="of the server on 127.0.0.1")
    parser.add_argument("path", help="such as /predict")
    parser.add_argument("--reviews", type=Path, required=True, help="test.jsonl")
    parser.add_argument("--clients", type=int, required=True, help="how many")
    parser.add_argument("--seconds", type=float, required=True, help="for how long")
    args = parser.parse_args()
    texts = [json.loads(line)["review"] for line in args.reviews.open(encoding="utf-8")]
    times, start, end = uvloop.run(load(args.port, args.path, texts, args.clients, args.seconds))
    begin = start + WARM_UP * args.seconds
    seconds = [answered - asked for asked, answered in times if answered >= begin]
    if not seconds:
        raise SystemExit(f"no answer to {args.clients} clients within {args.seconds:g} seconds")
    p50, p99 = np.percentile(seconds, [50, 99])
    print(json.dumps({"requests_per_second": len(seconds) / (end - begin), "p50": p50, "p99": p99}))


if __name__ == "__main__":
    main()
