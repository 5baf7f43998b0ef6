"""Measures servers side by side, in turns: python -m bench.serve build/minilm --output_dir DIR; writes serve.json, .md.

Each is asked by 1, 8 and 64 clients on this machine, which share its cores; beside them stands the Classifier without
a server. At the end the first serves for a while longer, and its memory is noted.
"""

import contextlib
import json
import operator
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from bench.command import build_parser, run_json, write_results
from bench.summary import medians
from infer.text.script import run
from report.page import table

CLIENTS = (1, 8, 64)
STARTED = 180  # seconds until a server has to answer
ENDED = 30  # seconds until it has to end
ASKED = 64  # reviews whose labels are compared
SERVE = [".tox/serve/bin/python", "-m", "infer", "serve"]
RAY = [".tox/ray/bin/python", "-m", "infer", "serve", "--engine=ray"]
TUTORIALS = [".tox/bench/bin/python", "-m"]
SERVERS = {  # of each its title, command and model, below the build
    "infer": ("infer serve", [*SERVE, "-m"], "classifier.xml"),
    "infer-int8": ("the same, INT8", [*SERVE, "-m"], "int8/classifier.xml"),
    "infer-ray": ("the same on Ray, FP32", [*RAY, "-m"], "classifier.xml"),
    "tutorial": ("FastAPI, transformers' pipeline", [*TUTORIALS, "uvicorn", "bench.tutorial:app"], "huggingface"),
    "ray": ("Ray Serve, the same pipeline", [*TUTORIALS, "bench.tutorial_ray"], "huggingface"),
    "litserve": ("LitServe, the same pipeline", [*TUTORIALS, "bench.tutorial_litserve"], "huggingface"),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ask(port, text):
    """Returns the most probable label; raises OSError if there is no answer."""
    body = json.dumps({"inputs": text}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=STARTED) as answer:
        found = json.load(answer)
    found = found[0] if isinstance(found[0], list) else found
    return max(found, key=lambda prediction: prediction["score"])["label"]


@contextlib.contextmanager
def serving(folder, name):
    """Starts a server; yields its port once it answers. Raises: SystemExit if it does not."""
    _, command, model = SERVERS[name]
    port = free_port()
    command = [*command, *([str(folder / model)] if command[-1] == "-m" else []), f"--port={port}"]
    environment = os.environ | {"MODEL": str(folder / model), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        try:
            deadline = time.monotonic() + STARTED
            while True:
                with contextlib.suppress(OSError):
                    ask(port, "")
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    sys.exit(f"bench: {name}: {(log.read().strip() or 'does not answer').splitlines()[-1]}")
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDED)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # LitServe's processes stay
            process.wait()


def measure(*command):
    """Returns the dict that a module of the serve environment prints; raises SystemExit if it fails."""
    return run_json(command[0], "serve", *command)


def load(port, reviews, clients, seconds):
    return measure("bench.load", port, "/predict", "--reviews", reviews, "--clients", clients, "--seconds", seconds)


def memory(port):
    """Returns the server's resident memory, in bytes, as its /metrics tell."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return float(re.search(r"^process_resident_memory_bytes (\S+)", answer.read().decode(), re.MULTILINE)[1])


def soak(folder, reviews, seconds):
    """Returns what memory the server has after each tenth of the time, in bytes."""
    found = []
    with serving(folder, "infer") as port:
        for _ in range(10):
            load(port, reviews, CLIENTS[-1], seconds / 10)
            found.append(memory(port))
    return found


def run_all(folder, names, reviews, repeats, seconds):
    """Measures servers in turns.

    Returns: ({"direct", "direct-int8" and each server: {clients, or "direct": medians}}, {server: on how many of
      ASKED reviews its label is another than the first one's}).
    """
    found, labels = {}, {}
    texts = [json.loads(line)["review"] for line in reviews.read_text(encoding="utf-8").splitlines()[:ASKED]]
    for repeat in range(repeats):
        for name in names:
            title, _, model = SERVERS[name]
            if name in ("infer", "infer-int8"):
                one = measure("bench.direct", folder / model, "--reviews", reviews, "--seconds", seconds)
                found.setdefault(name.replace("infer", "direct"), {}).setdefault("direct", []).append(one)
            with serving(folder, name) as port:
                labels[name] = [ask(port, text) for text in texts]
                for clients in CLIENTS:
                    one = load(port, reviews, clients, seconds)
                    found.setdefault(name, {}).setdefault(str(clients), []).append(one)
                    print(f"{repeat + 1}/{repeats} {title}, {clients}: {one['requests_per_second']:.0f}/s", flush=True)
    speeds = {name: {clients: medians(runs) for clients, runs in rows.items()} for name, rows in found.items()}
    return speeds, {name: sum(map(operator.ne, labels[name], labels[names[0]])) for name in names}


def to_markdown(results):
    """Returns serve.md."""
    titles = {"direct": "Classifier, no server", "direct-int8": "the same, INT8"}
    titles |= {name: title for name, (title, _, _) in SERVERS.items()}
    rows = [
        [
            titles[name],
            clients,
            f"{one['requests_per_second']:.0f}",
            f"{1000 * one['p50']:.2f}",
            f"{1000 * one['p99']:.2f}",
        ]
        for name, found in results["servers"].items()
        for clients, one in found.items()
    ]
    text = "# Servers\n\n" + table(["", "clients", "requests/s", "p50, ms", "p99, ms"], rows, "lr")
    direct, ours = results["servers"]["direct"]["direct"], results["servers"]["infer"]
    share = ours["64"]["requests_per_second"] / direct["requests_per_second"]
    more = 1000 * (ours["1"]["p50"] - direct["p50"])
    text += f"\nWith 64 clients infer serve does {100 * share:.0f}% of what the Classifier does without a server; "
    text += f"with one, a request takes {more:.2f} ms more than a direct call.\n"
    if tutorial := results["servers"].get("tutorial"):
        times = ours["64"]["requests_per_second"] / tutorial["64"]["requests_per_second"]
        text += f"With 64 clients it does {times:.1f} times as many requests as the tutorial's.\n"
    for name, count in results["labels_that_differ"].items():
        if count:
            text += f"{titles[name]}: the labels of {count} of {ASKED} reviews are others than those of infer serve.\n"
    tenths = ", ".join(f"{size / (1 << 20):.0f}" for size in results["soak"])
    return (
        text
        + f"In {results['soak_seconds']:g} seconds of 64 clients it had, after each tenth, {tenths} MiB of memory.\n"
    )


def main():
    parser = build_parser("python -m bench.serve", __doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (default: 10)")
    parser.add_argument("--soak", type=float, required=True, help="seconds that the first serves at the end")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), help="which (default: all)")
    args = parser.parse_args()
    reviews = args.folder / "reviews/test.jsonl"
    speeds, different = run_all(args.folder, args.servers, reviews, args.repeats, args.seconds)
    results = {"servers": speeds, "labels_that_differ": different}
    results |= {"soak": soak(args.folder, reviews, args.soak), "soak_seconds": args.soak}
    write_results(args.output_dir, "serve", to_markdown(results), results)


if __name__ == "__main__":
    run(main)
