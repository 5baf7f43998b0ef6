"""Runs a stage's command and leaves the record of it. Runs in the tools environment."""

import contextlib
import datetime
import errno
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

import earlier
from digests import CHECKOUT, RECORD, digests, expand, name_of, path_of
from record import NOT_MADE, begun, find_difference, read_flags, seal, stage_of

PART = re.compile(r"(?:^|=)([^=]*\.part)(?=/|$)")  # a folder in a command; what lands in it is moved once it is whole


def digests_of_all(paths, complaint):
    """Returns {name: SHA-256} of the files of all paths; exits with the complaint if one is not there."""
    found = digests([file for path in paths for file in expand(path) or sys.exit(f"{path}: {complaint}")])
    if unreadable := [name for name in found if not found[name]]:
        sys.exit(f"{unreadable[0]}: cannot be read: look at its permissions")
    return found


def digests_of_project():
    """Returns {name: SHA-256} of the checkout's own Python files, any of which a command may import."""
    paths = []
    for folder, folders, names in os.walk(CHECKOUT):
        folders[:] = [
            name for name in folders if not name.startswith(".") and not (folder == CHECKOUT and name == "build")
        ]
        paths += [os.path.join(folder, name) for name in names if name.endswith(".py")]
    return digests(paths)


def read_environment(words):
    """Returns (Python's version, {package: version}) of the virtual environment whose python a command calls."""
    for word in words:
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


def read_cpu():
    """Returns the processor's name, or None."""
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), None)


def reads_sitecustomize(words):
    """Tells whether a command is a Python that reads mk/sitecustomize.py first, which is on the path under Make."""
    read_first = getattr(sys.modules.get("sitecustomize"), "__file__", os.devnull)
    ours = os.path.dirname(os.path.realpath(read_first)) == os.path.dirname(os.path.realpath(__file__))
    return ours and any(os.path.basename(word).startswith("python") for word in words)


def execute(words, stage, modules, stdout, stderr):
    """Runs a command to its end, whatever signal arrives. Returns its exit code, signals as a shell has them.

    The command's environment has STAGE and STAGE_MODULES, see sitecustomize.py.
    """
    process, received = None, []

    def handle(number, frame):
        received.append(number)
        if process and number == signal.SIGTERM:  # a terminal's SIGINT reaches the command by itself
            process.terminate()

    # A background shell hands down that SIGINT is ignored; a handler here would end that for the command.
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    # In the midst of Python's own start it would end in a traceback: sitecustomize.py lets it through.
    held = [signal.SIGINT] if reads_sitecustomize(words) else []
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    told = {"STAGE": stage, "STAGE_MODULES": os.path.abspath(modules)}
    process = subprocess.Popen(words, stdout=stdout, stderr=stderr, env=os.environ | told)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
    for number in set(received):  # before there was a process
        process.send_signal(number)
    code = process.wait()
    for number in before:
        signal.signal(number, before[number])
    if signal.SIGINT in received:
        if sys.stderr.isatty():  # the line of a progress bar ends here
            print(file=sys.stderr)
        return 128 + signal.SIGINT
    return 128 - code if code < 0 else code or (128 + received[0] if received else 0)


def write(path, text):
    """Writes a file whole or not at all."""
    with open(path + ".part", "w", encoding="utf-8", errors="surrogateescape") as file:  # as file names are
        file.write(text)
    os.replace(path + ".part", path)


def restore(record, text):
    """Puts back the text that a stage's record had, if the outputs it names are still as they were."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        outputs = json.loads(text)["outputs"]
        if digests(map(path_of, outputs)) == outputs:
            write(record, text)
            Path(begun(record)).unlink(missing_ok=True)


def refuse_to_train(args, difference):
    """Exits if the goal only uses a model, one is trained, and this stage of training it is not as asked for."""
    if not args.user or not args.trained:
        return
    folder = os.path.dirname(args.record)
    folders = sorted({os.path.dirname(path) for path in args.trained})
    why = f"make {args.user} uses a model and trains none where there is one"
    if folder in folders:
        sys.exit(
            f"{why}: that in {folder} is not as asked for now ({stage_of(args.record)}: {difference}): "
            "give the variables that it was made with, or run `make result2` with these first"
        )
    sys.exit(
        f"{why}: there is none in {folder}, but in {', '.join(folders)}: "
        "add DATA_DIR=, TRAIN=, HUB_MODULE= or CHECKPOINT= as it was made with, or run `make result2` first"
    )


class Redirection:
    """The end of a command, as a shell has it: `> FILE` for what it prints, `> FILE 2>&1` for its errors too.

    Attributes:
      words: the command without it, a list.
      file: where to, or None.
      is_log: whether errors go there too; a log tells why a command failed, so it is written as it comes and stays.
    """

    def __init__(self, command):
        self.words = shlex.split(command)
        self.is_log = self.words[-1] == "2>&1"
        if self.is_log:
            self.words.pop()
        self.file = None
        if self.words[-2:-1] == [">"]:
            self.file = self.words[-1]
            del self.words[-2:]

    def __str__(self):
        return shlex.join(self.words) + (f" > {self.file}" if self.file else "") + (" 2>&1" if self.is_log else "")

    @property
    def path(self):
        return self.file and self.file + ("" if self.is_log else ".part")


def run(args):
    """Makes a stage, unless it is as recorded: args are stage.py's. Exits with the command's code if it fails."""
    stage = stage_of(args.record)
    difference = find_difference(args.record, args.command, args.input)
    if not difference:
        return
    refuse_to_train(args, difference)
    if difference != NOT_MADE:
        print(f"{stage}: {difference}", flush=True)
    inputs = digests_of_all(args.input, f"no such file, folder or checkpoint: {stage} reads it, make it first")
    key = {"parameters": args.command, "inputs": inputs}
    os.makedirs(os.path.dirname(os.path.abspath(args.record)), exist_ok=True)
    former = aside = None
    if args.resumes:
        if earlier.take_back(args.record, key["parameters"], args.input, args.output):
            print(f"{stage}: made before with the same, and moved back", flush=True)
            return
        aside = begin(args, key)
    else:
        # From here on what the older record vouches for may be overwritten, and the command may be killed: it is kept
        # by another name, as only it knows of files that are made no longer.
        with contextlib.suppress(FileNotFoundError):
            os.replace(args.record, begun(args.record))
        with contextlib.suppress(FileNotFoundError):
            former = Path(begun(args.record)).read_text(encoding="utf-8", errors="surrogateescape")
    record = make(args, stage, key, lambda: give_up(args, former, aside))
    remove_unmade(former, record["outputs"])
    write(args.record, json.dumps(record | {"sha256": seal(record)}, indent=2, ensure_ascii=False) + "\n")
    Path(begun(args.record)).unlink(missing_ok=True)


def begin(args, key):
    """Readies the folder of a stage that can be resumed: what it has is kept if it was begun with the same.

    Otherwise that is moved aside, with all that follows from it. Returns the folder where it is, or None.
    """
    text = json.dumps(key, indent=2, ensure_ascii=False) + "\n"
    path = Path(begun(args.record))
    if not os.path.isfile(args.record) and path.is_file() and path.read_text(errors="surrogateescape") == text:
        return None
    aside = earlier.move_aside(args.record, args.output)
    write(str(path), text)
    return aside


def give_up(args, former, aside):
    """Puts back what there was before a command failed, as far as it is whole and nothing came of the command."""
    if former:
        restore(args.record, former)
    if args.resumes and not any(file.endswith(".index") for path in args.output for file in expand(path)):
        for path in args.output:
            shutil.rmtree(path, ignore_errors=True)
        os.unlink(begun(args.record))
        if aside:
            earlier.move_back(aside)


def remove_unmade(former, outputs):
    """Removes the files that a stage made before and makes no longer, by the text of its former record."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        for name in json.loads(former or "{}").get("outputs", {}):
            if name not in outputs:
                Path(path_of(name)).unlink(missing_ok=True)


def make(args, stage, key, give_up):
    """Runs the command; returns the record, without its seal. Calls give_up and exits if the command fails."""
    redirection = Redirection(args.command)
    modules = args.record.removesuffix(RECORD) + ".modules.part"
    Path(modules).unlink(missing_ok=True)
    surroundings = describe_surroundings(redirection.words)
    ours = digests_of_project()
    print(redirection, flush=True)
    start = datetime.datetime.now(datetime.UTC)
    run_command(redirection, args, stage, modules, give_up)
    end = datetime.datetime.now(datetime.UTC)
    flags = read_flags(redirection.words)
    seed = str(flags.get("random_seed"))
    if reads_sitecustomize(redirection.words) and not os.path.isfile(modules):
        sys.exit(f"{modules}: cannot note which modules {stage} imported: is there room for it?")
    imported = read_modules(modules)
    # As they were when the command began: it has read them soon after.
    read = {name: ours.get(name) or digests([path_of(name)])[name] for name in imported if name not in key["inputs"]}
    outputs = [*args.output, *filter(None, [redirection.file])]
    return {
        "stage": stage,
        "goal": args.goal or stage,
        "parameters": key["parameters"],
        "command": redirection.words,
        "flags": flags,
        "random_seed": int(seed) if seed.isdecimal() else None,
        "inputs": key["inputs"] | read,
        "modules": imported,
        "outputs": digests_of_all(outputs, f"{stage} ended without making it, so there is no record of {stage}"),
        **({"found": json.loads(Path(args.quote).read_text())} if args.quote else {}),
        **surroundings,
        "start": start.isoformat(timespec="milliseconds"),
        "end": end.isoformat(timespec="milliseconds"),
        "seconds": round((end - start).total_seconds(), 3),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


def describe_surroundings(words):
    """Returns what a record has of the machine, the environment that a command runs in, and the checkout."""
    python, packages = read_environment(words)
    git_commit, git_dirty = read_git()
    return {
        "python": python,
        "packages": packages,
        "platform": platform.platform(),
        "cpu": read_cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "git_commit": git_commit,
        "git_dirty": git_dirty,
    }


def run_command(redirection, args, stage, modules, give_up):
    """Runs a command and moves what it made in scratch folders to the outputs; calls give_up and exits if it fails.

    Args:
      redirection: the command.
      args: stage.py's.
      stage, modules: execute's.
      give_up: function.
    """
    parts = sorted({match[1] for word in redirection.words if (match := PART.search(word))})
    for part in parts:
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(part)
    if redirection.file:
        os.makedirs(os.path.dirname(redirection.file) or ".", exist_ok=True)
    with open(redirection.path, "wb") if redirection.file else contextlib.nullcontext() as file:
        code = execute(redirection.words, stage, modules, file, file if redirection.is_log else None)
    if code:
        if code == 128 + signal.SIGKILL:
            smaller = " or ".join(f"{name}=" for name in args.smaller)
            print(f"{stage}: was killed, as happens when memory runs out: try a smaller {smaller}", file=sys.stderr)
        elif redirection.is_log and code != 128 + signal.SIGINT:
            say_why(stage, redirection.file)
        for part in (*parts, modules):
            shutil.rmtree(part) if os.path.isdir(part) else Path(part).unlink(missing_ok=True)
        give_up()
        sys.exit(code)
    if redirection.file:
        os.replace(redirection.path, redirection.file)
    for part in parts:
        for output in args.output:
            with contextlib.suppress(FileNotFoundError):  # then digests_of_all says so
                os.replace(os.path.join(part, os.path.basename(output)), output)
        shutil.rmtree(part)


def say_why(stage, log):
    """Says where to look for why a command failed whose errors went to a log."""
    folder = os.path.dirname(log) or "."
    full = not os.statvfs(folder).f_bavail  # which a log on it could not say
    print(f"{stage} failed: {f'{folder}: {os.strerror(errno.ENOSPC)}' if full else f'see {log}'}", file=sys.stderr)


def read_modules(path):
    """Returns the names of the checkout's modules that a command's Pythons noted in a file, see sitecustomize.py."""
    names = set()
    with contextlib.suppress(FileNotFoundError):
        names = {name_of(line) for line in Path(path).read_text(errors="surrogateescape").splitlines()}
        os.unlink(path)
    return sorted(name for name in names if os.path.isfile(path_of(name)))
