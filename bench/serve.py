"""Measures servers side by side, in turns: python -m bench.serve build/minilm --output_dir DIR; writes serve.json, .md.

Each is asked by 1, 8 and 64 clients on this machine, which share its cores; beside them stands the Classifier without
a server. At the end the first serves for a while longer, and its memory is noted.
"""

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from bench.summary import medians
from infer.text.script import run
from report.page import table, write

CLIENTS = (1, 8, 64)
STARTED = 120  # seconds until a server has to answer
SERVE = [".tox/serve/bin/python", "-m", "infer", "serve"]
TUTORIAL = [".tox/bench/bin/python", "-m", "uvicorn", "bench.tutorial:app", "--log-level=error"]
SERVERS = {  # of each its title, command and model, below the build
    "infer": ("infer serve", [*SERVE, "-m"], "classifier.xml"),
    "infer-int8": ("the same, INT8", [*SERVE, "-m"], "int8/classifier.xml"),
    "tutorial": ("FastAPI, transformers' pipeline", TUTORIAL, "huggingface"),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def serving(folder, name):
    """Starts a server; yields its port once it answers. Raises: SystemExit if it does not."""
    _, command, model = SERVERS[name]
    port = free_port()
    command = [*command, *([str(folder / model)] if command[-1] == "-m" else []), f"--port={port}"]
    environment = os.environ | {"MODEL": str(folder / model), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + STARTED
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    sys.exit(f"bench: {name}: {(process.stderr.read().strip() or 'does not answer').splitlines()[-1]}")
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def measure(*command):
    """Returns the dict that a module of the serve environment prints; raises SystemExit if it fails."""
    done = subprocess.run([".tox/serve/bin/python", "-m", *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bench: {command[0]}: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}")
    return json.loads(done.stdout)


def load(port, reviews, clients, seconds):
    return measure("bench.load", port, "/predict", "--reviews", reviews, "--clients", clients, "--seconds", seconds)


def memory(port):
    """Returns the server's resident memory, in bytes, as its /metrics tell."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return float(re.search(r"^process_resident_memory_bytes (\S+)", answer.read().decode(), re.MULTILINE)[1])


def soak(folder, reviews, seconds):
    """Returns {"start", "end": bytes, after a tenth of the time and after all of it}."""
    with serving(folder, "infer") as port:
        load(port, reviews, CLIENTS[-1], seconds / 10)
        start = memory(port)
        load(port, reviews, CLIENTS[-1], seconds * 9 / 10)
        return {"start": start, "end": memory(port)}


def run_all(folder, names, reviews, repeats, seconds):
    """Returns {"direct", "direct-int8" and each server: {clients, or "direct": list of runs}}."""
    found = {}
    for repeat in range(repeats):
        for name in names:
            title, _, model = SERVERS[name]
            if name.startswith("infer"):
                one = measure("bench.direct", folder / model, "--reviews", reviews, "--seconds", seconds)
                found.setdefault(name.replace("infer", "direct"), {}).setdefault("direct", []).append(one)
            with serving(folder, name) as port:
                for clients in CLIENTS:
                    one = load(port, reviews, clients, seconds)
                    found.setdefault(name, {}).setdefault(str(clients), []).append(one)
                    print(f"{repeat + 1}/{repeats} {title}, {clients}: {one['requests_per_second']:.0f}/s", flush=True)
    return {name: {clients: medians(runs) for clients, runs in rows.items()} for name, rows in found.items()}


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
    start, end = (results["soak"][key] / (1 << 20) for key in ("start", "end"))
    return (
        text
        + f"In {results['soak_seconds']:g} seconds of 64 clients its memory went from {start:.0f} to {end:.0f} MiB.\n"
    )


def main():
    parser = argparse.ArgumentParser(
        prog="python -m bench.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the build")
    parser.add_argument("--output_dir", type=Path, required=True, help="where to write")
    parser.add_argument("--repeats", type=int, required=True, help="how often to measure each server")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (default: 10)")
    parser.add_argument("--soak", type=float, required=True, help="seconds that the first serves at the end")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), help="which (default: all)")
    args = parser.parse_args()
    reviews = args.folder / "reviews/test.jsonl"
    results = {"servers": run_all(args.folder, args.servers, reviews, args.repeats, args.seconds)}
    results |= {"soak": soak(args.folder, reviews, args.soak), "soak_seconds": args.soak}
    args.output_dir.mkdir(parents=True, exist_ok=True)
    write(args.output_dir / "serve.md", to_markdown(results))
    write(args.output_dir / "serve.json", json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
