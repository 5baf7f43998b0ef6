"""Runs run_classifier.py on several workers under horovodrun, and prints what one worker would print.

Runs in the tf1-horovod environment: `python -m tf1.launch --workers=2 -- run_classifier.py FLAG...`. A line that
several workers print is shown once; if a worker is lost, the others are ended. Standard library only.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading

from tf1 import RUN_AGAIN

# horovodrun puts it before each line, and after each carriage return.
WORKER_PREFIX = re.compile(r"\[(\d+)\]<(?:stdout|stderr)>:")
WORKER_EXIT = re.compile(r"Process (\d+) exit with status code (\d+)\.")
SHELL_MESSAGES = ("Terminated", "Killed")  # about a worker that horovodrun has ended


def count_slots(hosts):
    """Returns how many workers `a:2,b:2` has room for; exits if `hosts` is not of that form."""
    if not re.fullmatch(r"[^:,\s]+:[1-9]\d*(,[^:,\s]+:[1-9]\d*)*", hosts):
        sys.exit(f"--hosts={hosts}: write host:workers,host:workers")
    return sum(int(host.rsplit(":", 1)[1]) for host in hosts.split(","))


def read_pieces(stream):
    """Yields the text of a stream, split after each line end and before each carriage return, so that bars move."""
    rest = ""
    for data in iter(lambda: os.read(stream.fileno(), 1 << 16), b""):
        *whole, rest = re.split(r"(?<=\n)|(?=\r)", rest + data.decode("utf-8", "replace"))
        yield from whole
    if rest:
        yield rest


class Output:
    """Shows what the workers print, on stderr each line only once, and collects what horovodrun itself prints.

    Attributes:
      shown: set of the lines that were shown on stderr.
      own_lines: list of horovodrun's own lines, which are not shown.
      failure: (rank, exit status) of the first worker that failed, or None.
      interrupted: bool, whether Ctrl-C was pressed.
    """

    def __init__(self):
        self.shown, self.own_lines, self.failure, self.interrupted = set(), [], None, False
        self.lock = threading.Lock()

    def interrupt(self, number, frame):
        """Handles SIGINT: from now on nothing is shown, as it would be about workers that are being ended."""
        self.interrupted = True

    def relay(self, stream, target):
        """Shows all of a stream of horovodrun's on `target`, until it ends."""
        for piece in read_pieces(stream):
            with self.lock:
                if not self.interrupted:
                    self.handle(piece, target)

    def handle(self, piece, target):
        """Keeps a piece of horovodrun's own, or shows a worker's on `target`."""
        ranks, text = WORKER_PREFIX.findall(piece), WORKER_PREFIX.sub("", piece)
        line = text.strip()
        if not ranks:
            match = WORKER_EXIT.fullmatch(line)
            if match and not self.failure:
                self.failure = int(match[1]), int(match[2])
            self.own_lines.append(line)
        elif line not in SHELL_MESSAGES and (line or ranks[0] == "0"):
            self.show(int(ranks[0]), text, target)

    def show(self, rank, text, target):
        """Writes a worker's text to `target`, unless it is a line that was shown on stderr before."""
        line = text.strip()
        if target is sys.stderr and line:
            if self.was_shown(line):
                if line not in self.shown and text.endswith("\n"):
                    target.write("\n")  # ends the progress bar that the line was shown after
                return
            self.shown.add(line)
        target.write(text if rank == 0 else f"worker {rank}: {text}")
        target.flush()

    def was_shown(self, line):
        """Tells whether a line was shown, be it after a progress bar on the same line, or the other way round."""
        return any(line.endswith(shown) or shown.endswith(line) for shown in self.shown)


def run_horovod(args, output):
    """Runs the command of the parsed arguments under horovodrun; returns its exit status."""
    horovodrun = os.path.join(os.path.dirname(sys.executable), "horovodrun")
    hosts = ["-H", args.hosts] if args.hosts else []
    options = ["--gloo", "--log-level", "FATAL", "-np", str(args.workers), *hosts]
    process = subprocess.Popen(
        [sys.executable, horovodrun, *options, sys.executable, *args.command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    threads = [
        threading.Thread(target=output.relay, args=streams)
        for streams in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return process.wait()


def exit_with_reason(args, output):
    """Ends this process as the failed horovodrun demands, with one line if no worker has said why.

    Raises: SystemExit.
    """
    if output.interrupted:
        sys.exit(130)
    if not output.failure:
        if any("could not connect to some hosts via ssh" in line for line in output.own_lines):
            sys.exit(f"--hosts={args.hosts}: ssh does not reach all of them, without a password")
        sys.exit("horovodrun: " + next(filter(None, reversed(output.own_lines)), "ended without a message"))
    rank, status = output.failure
    killed = status > 128  # by a signal, so it could say nothing itself
    if killed and not any(RUN_AGAIN in line for line in output.shown):
        print(f"worker {rank} ended with status {status}: {RUN_AGAIN}", file=sys.stderr)
    sys.exit(status)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tf1.launch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, required=True, help="how many processes share the training")
    parser.add_argument("--hosts", help="host:workers,host:workers, which ssh reaches and which share this folder")
    parser.add_argument("command", nargs="+", help="run_classifier.py and its flags, after --")
    args = parser.parse_args()
    if args.hosts and count_slots(args.hosts) < args.workers:
        sys.exit(f"--hosts={args.hosts}: has room for fewer than {args.workers} workers")

    output = Output()
    signal.signal(signal.SIGINT, output.interrupt)  # horovodrun ends the workers, and then this does
    if run_horovod(args, output):
        exit_with_reason(args, output)


if __name__ == "__main__":
    main()
