"""Starts run_classifier.py under horovodrun, and prints what one worker would: python launch.py -- SCRIPT FLAG...

Runs in the tf1-horovod environment. What several workers say is said once; one that is lost ends the others.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading

PREFIX = re.compile(r"\[(\d+)\]<(?:stdout|stderr)>:")  # horovodrun's, before a line and after a carriage return
ENDED = re.compile(r"Process (\d+) exit with status code (\d+)\.")
AGAIN = "run it again to go on from the last checkpoint"  # as workers.py has it
SHELLS = ("Terminated", "Killed")  # what the shell says of a worker that horovodrun has ended


def count_slots(hosts):
    """Returns how many workers `a:2,b:2` has room for; exits if it is not of that form."""
    if not re.fullmatch(r"[^:,\s]+:[1-9]\d*(,[^:,\s]+:[1-9]\d*)*", hosts):
        sys.exit(f"--hosts={hosts}: write host:workers,host:workers")
    return sum(int(host.rsplit(":", 1)[1]) for host in hosts.split(","))


def pieces(stream):
    """Yields what a stream brings, cut after each line end or before each carriage return, so that bars move."""
    held = ""
    for data in iter(lambda: os.read(stream.fileno(), 1 << 16), b""):
        *whole, held = re.split(r"(?<=\n)|(?=\r)", held + data.decode("utf-8", "replace"))
        yield from whole
    if held:
        yield held


class Teller:
    """Passes on what the workers print; what several of them say, once."""

    def __init__(self):
        self.said, self.unsaid, self.ended, self.interrupted = set(), [], None, False
        self.lock = threading.Lock()

    def interrupt(self, number, frame):
        self.interrupted = True

    def listen(self, stream, output):
        for piece in pieces(stream):
            with self.lock:
                self.hear(piece, output)

    def was_said(self, line):
        """Tells whether a line stands at the end of one that was said, which may begin with a bar; or the reverse."""
        return any(line.endswith(said) or said.endswith(line) for said in self.said)

    def hear(self, piece, output):
        ranks, text = PREFIX.findall(piece), PREFIX.sub("", piece)
        line = text.strip()
        if self.interrupted:  # what is said of workers that are asked to end
            return
        if not ranks:  # horovodrun's own words
            ended = ENDED.fullmatch(line)
            if ended and not self.ended:
                self.ended = int(ended[1]), int(ended[2])
            self.unsaid.append(line)
        elif line in SHELLS or (ranks[0] != "0" and not line):
            return
        elif output is sys.stderr and line and self.was_said(line):
            output.write("\n" * (line not in self.said and text.endswith("\n")))
        else:
            if output is sys.stderr and line:
                self.said.add(line)
            output.write(text if ranks[0] == "0" else f"worker {ranks[0]}: {text}")
            output.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, required=True, help="how many processes share the training")
    parser.add_argument("--hosts", help="host:workers,host:workers, which ssh reaches and which share this folder")
    parser.add_argument("command", nargs="+", help="run_classifier.py and its flags, after --")
    args = parser.parse_args()
    if args.hosts and count_slots(args.hosts) < args.workers:
        sys.exit(f"--hosts={args.hosts}: has room for fewer than {args.workers} workers")

    horovodrun = os.path.join(os.path.dirname(sys.executable), "horovodrun")
    where = ["-H", args.hosts] if args.hosts else []
    teller = Teller()
    signal.signal(signal.SIGINT, teller.interrupt)  # horovodrun ends the workers, and then this does
    process = subprocess.Popen(
        [
            sys.executable,
            horovodrun,
            "--gloo",
            "--log-level",
            "FATAL",
            "-np",
            str(args.workers),
            *where,
            sys.executable,
            *args.command,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    listeners = [
        threading.Thread(target=teller.listen, args=(stream, output))
        for stream, output in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    ]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join()
    if not process.wait():
        return
    if teller.interrupted:
        sys.exit(130)
    if not teller.ended:
        if any("could not connect to some hosts via ssh" in line for line in teller.unsaid):
            sys.exit(f"--hosts={args.hosts}: ssh does not reach all of them, without a password")
        sys.exit("horovodrun: " + next(filter(None, reversed(teller.unsaid)), "ended without a word"))
    rank, code = teller.ended
    if code > 128 and not any(AGAIN in line for line in teller.said):  # by a signal, and so without a word
        sys.exit(f"worker {rank} ended with code {code}: {AGAIN}")
    sys.exit(code)


if __name__ == "__main__":
    main()
