"""Serves a classifier over HTTP: python -m infer serve -m classifier.xml

POST /predict takes {"inputs": "a text"}, or a list of texts, as text-embeddings-inference does; /v2/ is KServe's
protocol, as Triton has it; /metrics is for Prometheus, /docs lists all, and / is a page to try it. Texts of several
requests are predicted together. SIGTERM ends it once it has answered what it has.

With --engine ray the batches are predicted by processes of Ray Serve, on this machine or a cluster of them.
"""

import argparse
import asyncio
import contextlib
import importlib.metadata
import ipaddress
import os
import re
import resource
import socket
import sys
from pathlib import Path

import uvloop

from infer.classifier import Classifier
from infer.options import add_engine, add_model
from infer.precision import PRECISIONS
from infer.serve.app import build_app, warm_up
from infer.serve.server import serve
from infer.text.script import run

# Each limit with its type, default and meaning.
LIMITS = {
    "body": (int, 1 << 20, "bytes of a request's body"),
    "texts": (int, 1024, "texts of a request"),
    "characters": (int, 100_000, "characters of a text"),
    "seconds": (float, 30, "seconds until a request has come and is answered"),
    "connections": (int, 512, "connections at once"),
    "queue": (int, 4096, "texts that wait to be predicted; more are answered with 503 at once"),
    "batch_texts": (int, 64, "texts of a batch"),
    "batch_tokens": (int, 4096, "tokens of a batch, as their characters let expect"),
    "wait": (float, 10, "milliseconds to wait for more, where several clients have just got their answers"),
    "grace": (float, 30, "seconds that SIGTERM leaves to what is under way"),
}
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")
SPARE_FILES = 64  # beside the connections


def limit(kind):
    """Returns a function that reads a flag's number, which must be positive."""

    def number(text):
        if not kind(text) > 0:
            raise ValueError
        return kind(text)

    number.__name__ = "positive number" if kind is float else "positive whole number"  # as argparse names it
    return number


def read_precisions(text):
    """Returns the list of precisions of a flag, such as fp32,int8."""
    found = text.split(",")
    if unknown := [precision for precision in found if precision not in PRECISIONS]:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}': choose of {', '.join(PRECISIONS)}")
    return found


def read_token(path):
    """Returns the token in a file; raises OSError, or SystemExit if it is none."""
    token = path.read_text(encoding="utf-8", errors="replace").strip()
    if not TOKEN.fullmatch(token):
        sys.exit(f"{path}: must hold one token, of 16 or more letters and digits, as `openssl rand -hex 32` makes it")
    return token


def listen(host, port, guarded):
    """Returns a socket that listens; raises SystemExit if it can't, or if others could reach it unguarded."""
    if not 0 <= port < 1 << 16:
        sys.exit(f"--port {port}: must be less than {1 << 16}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        if not guarded and not ipaddress.ip_address(address[0]).is_loopback:
            sys.exit(f"--host {host}: others can reach it: add --token_file, or --insecure if they may all use it")
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        sys.exit(f"--host {host} --port {port}: cannot listen there: {error.strerror}")


def check_limits(limits, max_seq_length):
    """Exits if the limits don't fit each other, or the machine."""
    if limits.queue < max(limits.texts, max_seq_length):
        sys.exit(f"--queue {limits.queue}: must be at least --texts {limits.texts} and the length {max_seq_length}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits.connections + SPARE_FILES > soft:
        if limits.connections + SPARE_FILES > hard:
            sys.exit(f"--connections {limits.connections}: this process may open {hard} files: see `ulimit -n`")
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits.connections + SPARE_FILES, hard))


def say(line, descriptor):
    """Writes a line to standard output, 1, or standard error, 2; where the disk behind it is full, none."""
    with contextlib.suppress(OSError):
        os.write(descriptor, f"{line}\n".encode())


def version():
    try:
        return importlib.metadata.version("bert-openvino-classifier")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"


def build_parser():
    parser = argparse.ArgumentParser(
        prog="python -m infer serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model(parser)
    parser.add_argument(
        "--precision",
        type=read_precisions,
        default=[PRECISIONS[0]],
        help=f"what to compute in, {', '.join(PRECISIONS)}; several with commas: the first is for who names none "
        f"(default: {PRECISIONS[0]})",
    )
    add_engine(parser, "what predicts")
    parser.add_argument("--replicas", type=limit(int), help="of Ray's: how many share its CPUs (default: one on each)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="the port; 0 for one that is free (default: 8080)")
    parser.add_argument("--name", help="the model's, in KServe's paths (default: the file's, without .xml)")
    parser.add_argument("--token_file", type=Path, help="a file with the token that all but /health ask for")
    parser.add_argument("--insecure", action="store_true", help="let others than this machine in without a token")
    for name, (kind, default, what) in LIMITS.items():
        parser.add_argument(f"--{name}", type=limit(kind), default=default, help=f"limit: {what} (default: {default})")
    return parser


def engine_of(args, classifiers):
    """Returns a context of what predicts, the last arguments of build_app."""
    if args.engine == "local":
        return contextlib.nullcontext(())
    try:
        from infer.serve.on_ray import replicated
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not in this environment: serve on Ray with .tox/ray/bin/python")
    return replicated(classifiers, args)


async def start(args, listener, classifiers, token, *engine):
    """Serves, until it is to end."""
    app = build_app(classifiers, args.name or Path(args.model).stem, args, token, *engine)
    host = listener.getsockname()[0]
    where = f"http://{f'[{host}]' if ':' in host else host}:{args.port}"
    try:
        await serve(app, listener, args, lambda: say(f"serving {args.model} at {where}", 1))
    finally:
        app.state.close()


def main(arguments=None):
    """Runs the command. Raises: SystemExit with what is wrong; OSError; KeyboardInterrupt after SIGINT.

    Args:
      arguments: list of str, or None for those of the process.
    """
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.engine != "ray" and (args.ray_address or args.replicas):
        parser.error("--ray_address and --replicas are for --engine ray")
    if args.engine == "ray" and args.device != "CPU":
        sys.exit(f"device {args.device}: Ray serves on the CPU: leave out the engine or the device")
    args.version = version()
    token = args.token_file and read_token(args.token_file)
    listener = listen(args.host, args.port, token or args.insecure)
    args.port = listener.getsockname()[1]
    try:
        classifiers = {
            precision: Classifier(args.model, args.device, precision=precision) for precision in args.precision
        }
        for classifier in classifiers.values() if args.engine == "local" else ():
            warm_up(classifier)
            if not classifier.is_kept():
                say(f"{classifier.path}: what was compiled cannot be kept beside it: the next start takes as long", 2)
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(str(error))
    check_limits(args, next(iter(classifiers.values())).max_seq_length)
    with engine_of(args, classifiers) as engine, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(start(args, listener, classifiers, token, *engine))


if __name__ == "__main__":
    run(main)
