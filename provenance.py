"""What made what: a record beside what each stage makes, and the check of a build folder against its records.

Runs in the tools environment; a PATH is a file, a folder (all below it) or a checkpoint's prefix, `model.ckpt-N`:
  python provenance.py run --record=STAGE.record.json --input PATH... --output PATH... -- COMMAND...
  python provenance.py verify FOLDER
"""

import argparse
import contextlib
import datetime
import errno
import glob
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

CHECKOUT = os.path.realpath(os.path.dirname(__file__))
SUFFIX = ".record.json"
INTERRUPTED = 128 + signal.SIGINT  # as a shell has it


def walk(folder):
    """Yields the files below a folder in a set order, but for what is half-made, OpenVINO's and Make's own."""
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:  # a link back would lead round and round
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.endswith((".part", ".cache")))
        for path in (os.path.join(parent, name) for name in sorted(names) if name != "started"):
            if os.path.isfile(path) and not path.endswith(".part"):
                yield path


def expand(path):
    """Returns the list of files that a PATH of the command line stands for; empty if there are none."""
    if os.path.isdir(path):
        return [file for file in walk(path) if not file.endswith(SUFFIX)]
    if os.path.isfile(path):
        return [path]
    ends = (".index", ".data-?????-of-?????", ".meta")
    index, data, meta = (sorted(glob.glob(glob.escape(path) + end)) for end in ends)
    return index + data + meta if index and data else []


def name_of(path):
    """Returns a path as records have it: absolute, or relative to the checkout if it is in it, which so can move."""
    return os.path.abspath(path).removeprefix(CHECKOUT + os.sep)


def digests(paths):
    """Returns {path as records have it: SHA-256, None if unreadable}."""
    found = {}
    for path in tqdm(paths, desc="sha256", unit="file", delay=1, leave=False, disable=None):  # None: terminals only
        found[name := name_of(path)] = None
        if os.path.isfile(path):  # a device or a pipe might never end
            with contextlib.suppress(OSError), open(path, "rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def digests_of_all(paths, complaint):
    """Returns {path: SHA-256} of the files of all PATHs; exits with the complaint if one is not there."""
    found = digests([file for path in paths for file in expand(path) or sys.exit(f"{path}: {complaint}")])
    if unreadable := [path for path in found if not found[path]]:
        sys.exit(f"{unreadable[0]}: cannot be read: look at its permissions")
    return found


def seal(record):
    """Returns the SHA-256 of a record without its own: of its JSON with sorted keys."""
    content = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_flags(command):
    """Returns {name: value} of `--name=value` and `--name value`; True for a name without a value."""
    flags = {}
    for word, following in zip(command, [*command[1:], "-"], strict=True):
        if word.startswith("--") and word != "--":
            name, equals, value = word[2:].partition("=")
            flags[name] = value if equals else following.startswith("-") or following
    return flags


def read_environment(command):
    """Returns (Python's version, {package: version}) of the virtual environment whose python the command calls."""
    for word in command:
        venv = Path(shutil.which(word) or "").parent.parent
        if os.path.basename(word).startswith("python") and (venv / "pyvenv.cfg").is_file():
            # venv calls it version, uv version_info.
            version = re.search(r"^version(?:_info)? = ([\d.]*\d)", (venv / "pyvenv.cfg").read_text(), re.MULTILINE)
            folders = [str(folder) for folder in venv.glob("lib/python3*/site-packages")]
            packages = {found.name: found.version for found in importlib.metadata.distributions(path=folders)}
            return version and version[1], dict(sorted(packages.items()))
    return None, {}


def read_git():
    """Returns (commit, whether a file differs from it or is not in it); (None, None) where there is no commit."""
    command = ["git", "--no-optional-locks", "-C", CHECKOUT, "status", "--porcelain=v2", "--branch"]
    ceiling = {"GIT_CEILING_DIRECTORIES": os.path.dirname(CHECKOUT)}  # not a repository around this one
    try:
        lines = subprocess.check_output(command, env=os.environ | ceiling, stderr=subprocess.DEVNULL, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None, None
    oid, *rest = [line for line in lines.splitlines() if line.startswith("# branch.oid") or line[0] != "#"]
    return (None, None) if oid.endswith("(initial)") else (oid.split()[-1], bool(rest))


def execute(command, stage, stdout, stderr):
    """Runs the command to its end, whatever signal arrives. Returns its exit code, signals as a shell has them.

    The command's environment has STAGE, see sitecustomize.py.
    """
    process, received = None, []

    def handle(number, frame):
        received.append(number)
        if process and number == signal.SIGTERM:  # a terminal's SIGINT reaches the command by itself
            process.terminate()

    # A background shell hands down that SIGINT is ignored; a handler here would end that for the command.
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    # In the midst of Python's own start it would end in a traceback: sitecustomize.py, where it is on the path as under
    # Make, lets it through.
    read_first = getattr(sys.modules.get("sitecustomize"), "__file__", os.devnull)
    is_python = any(os.path.basename(word).startswith("python") for word in command)
    held = [signal.SIGINT] if is_python and os.path.dirname(os.path.realpath(read_first)) == CHECKOUT else []
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=os.environ | {"STAGE": stage})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
    for number in set(received):  # before there was a process
        process.send_signal(number)
    code = process.wait()
    for number in before:
        signal.signal(number, before[number])
    if signal.SIGINT in received:
        if sys.stderr.isatty():  # the line of a progress bar ends here
            print(file=sys.stderr)
        return INTERRUPTED
    return 128 - code if code < 0 else code or (128 + received[0] if received else 0)


def restore(record, text):
    """Puts back the text that a stage's record had, if the outputs it names are still as they were."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        outputs = json.loads(text)["outputs"]
        if digests([os.path.join(CHECKOUT, path) for path in outputs]) == outputs:
            write(record, text)


def write(path, text):
    """Writes a file whole or not at all."""
    with open(path + ".part", "w", encoding="utf-8", errors="surrogateescape") as file:  # as file names are
        file.write(text)
    os.replace(path + ".part", path)


def run(args, command):
    """Runs a stage's command and, if it succeeds, leaves the record; exits with the command's code if it fails."""
    stage = os.path.basename(args.record).removesuffix(SUFFIX)
    flags = read_flags(command)
    seed = str(flags.get("random_seed"))
    python, packages = read_environment(command)
    git_commit, git_dirty = read_git()
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), None)
    inputs = digests_of_all(args.input, f"no such file, folder or checkpoint: {stage} reads it, make it first")

    # From here on what the older record vouches for may be overwritten, and the command may be killed.
    former = None
    if os.path.isfile(args.record):
        former = Path(args.record).read_text(encoding="utf-8", errors="surrogateescape")
        os.unlink(args.record)
    os.makedirs(os.path.dirname(os.path.abspath(args.record)), exist_ok=True)
    if args.part:
        shutil.rmtree(args.part, ignore_errors=True)
        os.makedirs(args.part)
    into = args.stdout or args.log
    print(shlex.join(command) + (f" > {into}" if into else "") + (" 2>&1" if args.log else ""), flush=True)
    start = datetime.datetime.now(datetime.UTC)
    path = args.stdout + ".part" if args.stdout else args.log  # a log tells why a command failed: it stays
    with open(path, "wb") if path else contextlib.nullcontext() as file:
        if code := execute(command, stage, file, file if args.log else None):
            if args.log and code != INTERRUPTED:
                folder = os.path.dirname(args.log) or "."
                full = not os.statvfs(folder).f_bavail  # which a log on it could not say
                reason = f"{folder}: {os.strerror(errno.ENOSPC)}" if full else f"see {args.log}"
                print(f"{stage} failed: {reason}", file=sys.stderr)
            if former:
                restore(args.record, former)
            sys.exit(code)
    if args.stdout:
        os.replace(path, args.stdout)
    if args.part:
        for output in args.output:
            with contextlib.suppress(FileNotFoundError):  # then digests_of_all says so
                os.replace(os.path.join(args.part, os.path.basename(output)), output)
        shutil.rmtree(args.part)
    end = datetime.datetime.now(datetime.UTC)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    outputs = [*args.output, into] if into else args.output
    record = {
        "stage": stage,
        "parameters": " ".join(args.parameters.split()),
        "command": command,
        "flags": flags,
        "random_seed": int(seed) if seed.isdecimal() else None,
        "inputs": inputs,
        "outputs": digests_of_all(outputs, f"{stage} ended without making it, so there is no record of {stage}"),
        "python": python,
        "packages": packages,
        "platform": platform.platform(),
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "git_commit": git_commit,
        "git_dirty": git_dirty,
        "start": start.isoformat(timespec="milliseconds"),
        "end": end.isoformat(timespec="milliseconds"),
        "seconds": round((end - start).total_seconds(), 3),
        "peak_memory_bytes": peak,
    }
    write(args.record, json.dumps(record | {"sha256": seal(record)}, indent=2, ensure_ascii=False) + "\n")


def read_record(path):
    """Returns (record, None), or (None, what is wrong with it)."""
    advice = "make the stage again or restore it"
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8", errors="surrogateescape"))
        sealed = isinstance(record, dict) and seal(record)
    except (OSError, ValueError, RecursionError) as error:
        return None, f"{path}: unreadable or not JSON ({error}): {advice}"
    needed = ("stage", "inputs", "outputs", "sha256")
    if lacking := [key for key in needed if not isinstance(record, dict) or key not in record]:
        return None, f"{path}: lacks {', '.join(lacking)}: {advice}"
    if record["sha256"] != sealed:
        return None, f"{path}: edited by hand since it was written: {advice}"
    stage, files = record["stage"], (record["inputs"], record["outputs"])
    if not isinstance(stage, str) or not stage.isprintable() or not all(map(is_paths, files)):
        return None, f"{path}: names what is no file: {advice}"
    return record, None


def is_paths(found):
    """Tells whether a value of JSON is {path: SHA-256}, its paths such as a file can have, as they are written here."""
    with contextlib.suppress(UnicodeEncodeError):
        return isinstance(found, dict) and all(
            path == name_of(os.path.join(CHECKOUT, path)) and b"\0" not in os.fsencode(path) for path in found
        )
    return False


def verify(folder):
    """Compares all that the records in a folder name with what is there; exits with a line for each difference."""
    if not os.path.isdir(folder):
        sys.exit(f"{folder}: no such folder")
    paths = [path for path in walk(folder) if path.endswith(SUFFIX)]
    if not paths:
        sys.exit(f"{folder}: no records in it: make a stage first")
    read = [read_record(path) for path in paths]
    records = [record for record, _ in read if record]
    differences = [wrong for _, wrong in read if wrong]

    named = sorted({path for record in records for kind in ("inputs", "outputs") for path in record[kind]})
    found = digests([os.path.join(CHECKOUT, path) for path in named])
    for record, stage in ((record, record["stage"]) for record in records):
        for kind, did, changed in (("outputs", "made", "is no longer as"), ("inputs", "read", "has changed since")):
            for path, sha256 in record[kind].items():
                what = changed if found[path] else "is missing or unreadable:"
                if found[path] != sha256:
                    differences.append(
                        f"{path}: {what} {stage} {did} it: restore it, or remove it and make {stage} again"
                    )
    if len(records) == len(paths):  # a broken record's files would all look stray
        known = {os.path.realpath(os.path.join(CHECKOUT, path)) for record in records for path in record["outputs"]}
        for path in expand(folder):
            if os.path.realpath(path) not in known:
                differences.append(f"{path}: in no record: its stage has not ended, or it came from elsewhere")

    summary = f"{len(paths)} records, {len(named)} files"
    if differences:
        sys.exit("\n".join([*differences, f"{folder}: {summary}: {len(differences)} not as recorded"]))
    print(f"{summary}: all as recorded")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="action", required=True)
    runner = commands.add_parser("run", help="run a command and leave a record of it")
    runner.add_argument("--record", required=True, help="where to put the record, STAGE.record.json")
    runner.add_argument("--input", nargs="*", action="extend", default=[], help="what the command reads")
    runner.add_argument("--output", nargs="*", action="extend", default=[], help="what the command makes")
    runner.add_argument("--parameters", default="", help="what Make remakes the stage for when it changes")
    runner.add_argument("--part", help="where the command makes the outputs; they are moved once it has succeeded")
    into = runner.add_mutually_exclusive_group()
    into.add_argument("--stdout", help="an output: what the command prints, once it has succeeded")
    into.add_argument("--log", help="an output: what the command prints and its errors, as they come")
    verifier = commands.add_parser("verify", help="compare a folder with the records in it; changes nothing")
    verifier.add_argument("folder")
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, command = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1 :]
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # which the Makefile holds back until here
        if args.action == "verify":
            verify(args.folder)
        elif not command or not args.record.endswith(SUFFIX):
            parser.error(f"give a --record that ends with {SUFFIX} and, after --, a command")
        else:
            run(args, command)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)  # GNUmakefile says that it was
    except OSError as error:  # no such command, a folder that cannot be written to, a full disk
        sys.exit(f"{error.filename2 or error.filename or parser.prog}: {error.strerror}")


if __name__ == "__main__":
    main()
