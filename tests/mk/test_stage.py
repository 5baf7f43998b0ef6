"""Stages and their records: what they hold, that a failed command leaves none, what is made again and why."""

import datetime
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from waiting import LONG, until

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]

ENVIRONMENT = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "PYTHONUTF8": "1", "PYTHONPATH": "", "SHA256_CACHE": ""}
COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])\n"
# Tidies up half a second long when interrupted, as a training does that saves a checkpoint.
TIDY = """
import signal, sys, time
def stop(number, frame):
    time.sleep(0.5)
    open("build/tidied", "w").write(str(number))
    sys.exit(0)
signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, stop)
open("build/copy.txt", "w").write("half")
open("build/ready", "w").close()
time.sleep(60)
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with mk/stage.py in it, a script, a file to read and a folder to build in."""
    (tmp_path / "checkout" / "build").mkdir(parents=True)
    shutil.copytree(ROOT / "mk", tmp_path / "checkout/mk", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "checkout" / "copy.py").write_text(COPY)
    (tmp_path / "checkout" / "reviews.txt").write_text("Absolutely fantastic!\n")
    return tmp_path / "checkout"


def start(checkout, *arguments, **options):
    """Starts mk/stage.py in a process group of its own, with SIGINT as at a terminal (CI's shell may ignore it)."""
    return subprocess.Popen(
        [sys.executable, checkout / "mk/stage.py", *map(str, arguments)],
        cwd=options.pop("cwd", checkout),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def finish(process):
    """Returns (exit code, stdout, stderr) of a process, which may leave no traceback."""
    stdout, stderr = process.communicate(timeout=LONG)
    assert "Traceback" not in stderr, stderr
    return process.returncode, stdout, stderr


def words(checkout, command):
    """Returns a command in one line; one whose words have spaces becomes a script first, as stages take no quotes."""
    if any(len(str(word).split()) != 1 for word in command):
        (checkout / "script.sh").write_text(shlex.join(map(str, command)))
        command = ["sh", "script.sh"]
    return " ".join(map(str, command))


def run(checkout, *options, command, stage="copy", redirect="", action="run"):
    line = f"{words(checkout, command)} {redirect}"
    return finish(start(checkout, action, f"--record=build/{stage}.record.json", f"--command={line}", *options))


def copy(checkout, source="reviews.txt", target="build/copy.txt", stage="copy", *flags):
    """A stage that copies a file, and must succeed; returns its record."""
    command = [sys.executable, "copy.py", source, target, *flags]
    code, _, stderr = run(checkout, "--input", source, "copy.py", "--output", target, command=command, stage=stage)
    assert (code, stderr) == (0, "")
    return json.loads((checkout / f"build/{stage}.record.json").read_text())


def verify(checkout, folder="build"):
    """Returns what `verify` prints, which must be one line, of a build folder that is as recorded."""
    code, stdout, stderr = finish(start(checkout, "verify", folder))
    assert (code, stderr) == (0, "")
    (line,) = stdout.splitlines()
    return line


def verify_fails(checkout, folder="build"):
    """Returns the lines of a `verify` that must fail, without the closing one, and that it changed nothing."""
    before = snapshot(checkout)
    code, stdout, stderr = finish(start(checkout, "verify", folder))
    assert (code, stdout) == (1, "")
    assert snapshot(checkout) == before
    *lines, last = stderr.splitlines()
    assert last.endswith(f": {len(lines)} not as recorded")
    return lines


def snapshot(folder):
    """Returns {path: (time, content)} of the files in a folder, but for what Python compiles as it runs."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def sha256sum(path):
    return subprocess.check_output(["sha256sum", path], text=True).split()[0]


def commit(checkout):
    """Makes the checkout a repository; returns its commit."""
    git = ["git", "-C", checkout, "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "--quiet"], ["add", "mk", "copy.py", "reviews.txt"], ["commit", "--quiet", "-m", "test"]):
        subprocess.run([*git, *words], check=True, env=ENVIRONMENT)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True, env=ENVIRONMENT).strip()


def test_what_a_record_holds(checkout):
    (checkout / ".gitignore").write_text("/build/\n")
    before = time.time()
    flags = ["--random_seed=7", "--do_train=true", "--input_shape", "[1,48],[1,48]", "--quiet", "--note=a=b"]
    record = copy(checkout, "reviews.txt", "build/copy.txt", "copy", *flags)
    assert record["stage"] == "copy"
    assert record["command"] == [sys.executable, "copy.py", "reviews.txt", "build/copy.txt", *flags]
    assert record["flags"] == {
        "random_seed": "7",
        "do_train": "true",
        "input_shape": "[1,48],[1,48]",
        "quiet": True,
        "note": "a=b",
    }
    assert record["random_seed"] == 7
    names = ("reviews.txt", "copy.py")
    assert record["inputs"] == {name: sha256sum(checkout / name) for name in names} and record["modules"] == []
    assert record["outputs"] == {"build/copy.txt": sha256sum(checkout / "build/copy.txt")}
    assert record["python"] == platform.python_version()
    assert all(record["packages"][name] == version(name) for name in ("pytest", "tqdm"))
    assert record["platform"] == platform.platform()
    assert record["cpu"] is None or record["cpu"] in open("/proc/cpuinfo").read()
    assert record["cores"] == len(os.sched_getaffinity(0))
    assert record["start"].endswith("+00:00") and record["end"].endswith("+00:00")
    start, end = (datetime.datetime.fromisoformat(record[key]).timestamp() for key in ("start", "end"))
    assert int(before) <= start <= end <= time.time()
    assert record["seconds"] == pytest.approx(end - start, abs=0.002)
    text = (checkout / "build/copy.record.json").read_text()
    assert text.endswith("\n}\n") and len(text.splitlines()) > len(record)
    assert not list(checkout.rglob("*.part"))


def read(checkout, stage="copy"):
    return json.loads((checkout / f"build/{stage}.record.json").read_text())


def test_peak_memory_is_the_commands(checkout):
    command = [sys.executable, "-c", "open('build/copy.txt', 'w').close(); b'x' * (200 << 20)"]
    assert run(checkout, "--output", "build/copy.txt", command=command)[0] == 0
    assert 200 << 20 < read(checkout)["peak_memory_bytes"] < 400 << 20


def test_commit_and_whether_the_tree_was_dirty(checkout):
    def copied():
        (checkout / "build/copy.record.json").unlink(missing_ok=True)
        return [copy(checkout)[key] for key in ("git_commit", "git_dirty")]

    assert copied() == [None, None]
    subprocess.run(["git", "init", "--quiet", checkout.parent], check=True, env=ENVIRONMENT)  # one around it
    assert copied() == [None, None]
    head = commit(checkout)
    (checkout / ".git" / "info" / "exclude").write_text("/build/\n__pycache__/\n")
    assert copied() == [head, False]
    (checkout / "reviews.txt").write_text("Awful\n")
    assert copied() == [head, True]


def test_the_command_is_shown_and_prints_as_without_the_wrapper(checkout):
    (checkout / "ci.py").write_text("import os; print(os.environ['CI'])")
    command = ["env", "CI=true", sys.executable, "ci.py", "{i32}"]
    code, stdout, stderr = run(checkout, command=command)
    assert (code, stdout.splitlines(), stderr) == (0, [f"env CI=true {sys.executable} ci.py '{{i32}}'", "true"], "")
    record = read(checkout)
    assert (record["python"], record["random_seed"]) == (platform.python_version(), None)


def test_a_command_without_python_has_no_packages(checkout):
    assert run(checkout, "--output", "build/copy.txt", command=["cp", "reviews.txt", "build/copy.txt"])[0] == 0
    assert (read(checkout)["python"], read(checkout)["packages"]) == (None, {})


def test_uvs_environments_tell_their_python_too(checkout):
    """Make's are uv's: its pyvenv.cfg has version_info, not version."""
    python = checkout / ".tox/tf1/bin/python"
    (checkout / ".tox/tf1/lib/python3.7/site-packages/absl_py-0.9.0.dist-info").mkdir(parents=True)
    (checkout / ".tox/tf1/lib/python3.7/site-packages/absl_py-0.9.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: absl-py\nVersion: 0.9.0\n"
    )
    (checkout / ".tox/tf1/pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.6.17\nversion_info = 3.7.16\n")
    python.parent.mkdir()
    python.symlink_to("/bin/true")
    assert run(checkout, command=[".tox/tf1/bin/python", "run_classifier.py"])[0] == 0
    assert (read(checkout)["python"], read(checkout)["packages"]) == ("3.7.16", {"absl-py": "0.9.0"})


def test_folders_checkpoints_and_modules_stand_for_their_files(checkout, tmp_path):
    kept = ["events", "eval/events", "model.ckpt-31.index", "model.ckpt-312.index", "model.ckpt-312.meta"]
    kept += ["model.ckpt-312.data-00000-of-00001", "model.ckpt-312.data-00000-of-00001.tempstate1"]
    for name in [*kept, "old.begun.json", "old.record.json", "half.part", "ir.part/half", "earlier/result1-1/events"]:
        (checkout / "build/result1" / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / "build/result1" / name).write_text(name)
    for name in ("elsewhere/pos.txt", "module/saved_model.pb", "module/variables/variables.index"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("pos")
    inputs = ["--input", "build/result1/model.ckpt-312.index", tmp_path / "elsewhere", "--input", "reviews.txt"]
    inputs += [tmp_path / "module/saved_model.pb"]
    assert run(checkout, *inputs, "--output", "build/result1", command=["true"])[0] == 0
    ends = ("index", "meta", "data-00000-of-00001")
    expected = {f"build/result1/model.ckpt-312.{end}" for end in ends} | {"reviews.txt"}
    expected |= {f"{tmp_path}/elsewhere/pos.txt", f"{tmp_path}/module/saved_model.pb"}
    assert set(read(checkout)["inputs"]) == expected | {f"{tmp_path}/module/variables/variables.index"}
    assert set(read(checkout)["outputs"]) == {f"build/result1/{name}" for name in kept}


def test_inputs_are_hashed_before_the_command_runs(checkout):
    before = sha256sum(checkout / "reviews.txt")
    command = ["sh", "-c", "echo more >> reviews.txt; echo > build/copy.txt"]
    assert run(checkout, "--input", "reviews.txt", "--output", "build/copy.txt", command=command)[0] == 0
    assert read(checkout)["inputs"] == {"reviews.txt": before}
    assert verify_fails(checkout) == ["reviews.txt: has changed since copy read it: restore it, or run `make copy`"]


@pytest.mark.parametrize("script, expected", [("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)])
def test_a_failed_command_hands_on_its_code_and_leaves_no_record(script, expected, checkout):
    copy(checkout)
    command = ["sh", "-c", f"echo half > build/copy.txt; echo why >&2; {script}"]
    code, _, stderr = run(checkout, "--output", "build/copy.txt", command=command)
    assert code == expected and stderr.splitlines()[0] == "why"
    assert not (checkout / "build/copy.record.json").exists()


HOSTILE = "it's a ; `touch ran` $(touch ran) '\"* <r-10:30%>.txt"


def test_a_given_name_may_be_anything(checkout, monkeypatch):
    """It is one word, and no more than a name, in the command, the record and what is said of it."""
    (checkout / HOSTILE).write_text("Absolutely fantastic!\n")
    monkeypatch.setitem(ENVIRONMENT, "GIVEN_REVIEWS", HOSTILE)
    command = [sys.executable, "copy.py", "@given/REVIEWS", "build/copy.txt", "--of=@given/REVIEWS", "--is=@given/none"]
    options = ("--input", "@given/REVIEWS", "copy.py", "--output", "build/copy.txt")
    code, stdout, stderr = run(checkout, *options, command=command)
    named = [sys.executable, "copy.py", HOSTILE, "build/copy.txt", f"--of={HOSTILE}", "--is=@given/none"]
    assert (code, stderr) == (0, "") and stdout == shlex.join(named) + "\n"
    record = read(checkout)
    assert record["command"] == named and shlex.split(record["parameters"]) == named
    assert record["inputs"][HOSTILE] == sha256sum(checkout / "reviews.txt") and record["flags"]["of"] == HOSTILE
    assert verify(checkout) == "1 records, 3 files: all as recorded"
    assert run(checkout, *options, "--tell=stale", command=command, action="check")[1:] == ("as recorded\n", "")

    (checkout / HOSTILE).write_text("Awful.\n")
    told = run(checkout, *options, "--tell=stale", command=command, action="check")
    assert told[1:] == (shlex.join(named) + "\n", f"copy: {HOSTILE} differs from what it was made with\n")
    monkeypatch.setitem(ENVIRONMENT, "GIVEN_REVIEWS", "reviews.txt")
    assert f"--of was {HOSTILE}, is reviews.txt" in run(checkout, *options, command=command)[1]
    assert not (checkout / "ran").exists()


def test_a_killed_command_says_so_in_one_line_with_what_makes_it_smaller(checkout):
    killed = "copy: was killed, as happens when memory runs out: try a smaller "
    for given, redirect, variables in (
        ([], "", "PROFILE="),
        (
            ["--smaller", "TRAIN_BATCH_SIZE", "MAX_SEQ_LENGTH"],
            "> build/log 2>&1",
            "TRAIN_BATCH_SIZE= or MAX_SEQ_LENGTH=",
        ),
    ):
        options = ("--output", "build/copy.txt", *given)
        done = run(checkout, *options, command=["sh", "-c", "kill -KILL $$"], redirect=redirect)
        assert (done[0], done[2].splitlines()[-1]) == (137, killed + variables)


def test_a_stage_that_was_killed_leaves_nothing_that_it_makes_no_longer(checkout):
    scripts = {"both": "echo 2 > build/log.txt", "killed": "kill -KILL $PPID", "one": ""}
    for name, line in scripts.items():
        (checkout / f"{name}.sh").write_text(f"echo {name} > build/copy.txt\n{line}\n")
    assert run(checkout, "--output", "build/copy.txt", "build/log.txt", command=["sh", "both.sh"])[0] == 0
    assert run(checkout, "--output", "build/copy.txt", command=["sh", "killed.sh"])[0] == -signal.SIGKILL
    assert (checkout / "build/log.txt").exists() and not (checkout / "build/copy.record.json").exists()
    assert run(checkout, "--output", "build/copy.txt", command=["sh", "one.sh"])[0] == 0
    assert verify(checkout) == "1 records, 1 files: all as recorded"
    assert sorted(path.name for path in (checkout / "build").glob("copy*")) == ["copy.record.json", "copy.txt"]


def test_a_command_that_fails_before_it_made_anything_costs_no_record(checkout):
    record = copy(checkout)
    command = ["sh", "-c", "test ! -e build/copy.record.json && exit 3"]
    assert run(checkout, "--output", "build/copy.txt", command=command)[0] == 3
    assert read(checkout) == record and not (checkout / "build/copy.begun.json").exists()
    assert verify(checkout) == "1 records, 3 files: all as recorded"


@pytest.mark.parametrize(
    "options, command, message",
    [
        (["--input", "nowhere.txt"], ["touch", "build/ran"], "nowhere.txt: no such file, folder or checkpoint"),
        (["--input", "empty"], ["touch", "build/ran"], "empty: no such file, folder or checkpoint"),
        (["--input", "model.ckpt-1.index"], ["touch", "build/ran"], "model.ckpt-1.index: no such file, folder or"),
        (["--output", "build/copy.txt"], ["true"], "build/copy.txt: copy ended without making it"),
        ([], ["./no-such-command"], "./no-such-command: No such file or directory"),
        ([], ["true", ">", "empty"], "empty: Is a directory"),
    ],
)
def test_what_is_not_there_is_one_clear_line(options, command, message, checkout):
    (checkout / "empty").mkdir()
    (checkout / "model.ckpt-1.index").touch()  # and no data
    code, _, stderr = run(checkout, *options, command=command)
    assert code == 1
    (line,) = stderr.splitlines()
    assert message in line
    assert not (checkout / "build/ran").exists()
    assert not (checkout / "build/copy.record.json").exists()


def test_a_missing_input_keeps_the_older_record(checkout):
    record = copy(checkout)
    assert run(checkout, "--input", "nowhere.txt", command=["true"])[0] == 1
    assert read(checkout) == record


def test_a_record_needs_its_name_and_a_command(checkout):
    for arguments in (
        ["--record=build/copy.json", "--command=true"],
        ["--record=build/copy.record.json", "--command="],
    ):
        code, _, stderr = finish(start(checkout, "run", *arguments))
        assert code == 2 and "ends with .record.json and a --command" in stderr


def test_what_is_redirected_appears_whole_or_not(checkout):
    (checkout / "build/predict.txt").write_text("older\n")
    command = ["sh", "-c", "echo half; cat build/predict.txt >&2; exit 1"]
    code, stdout, stderr = run(checkout, command=command, redirect="> build/predict.txt")
    assert (code, stderr) == (1, "older\n")
    assert stdout == "sh script.sh > build/predict.txt\n"
    assert (checkout / "build/predict.txt").read_text() == "older\n"
    done = run(checkout, command=["echo", "newer"], redirect="> build/predict.txt")
    assert done[1:] == ("echo newer > build/predict.txt\n", "")
    assert (checkout / "build/predict.txt").read_text() == "newer\n"
    assert read(checkout)["outputs"] == {"build/predict.txt": sha256sum(checkout / "build/predict.txt")}
    assert not list((checkout / "build").glob("*.part"))


def test_a_log_stays_whatever_happens(checkout):
    for code in (1, 0):
        command = ["sh", "-c", f"echo out {code}; echo error {code} >&2; exit {code}"]
        got, stdout, stderr = run(checkout, command=command, redirect="> build/mo.log 2>&1")
        assert (got, stderr) == (code, "copy failed: see build/mo.log\n" if code else "")
        assert stdout == "sh script.sh > build/mo.log 2>&1\n"
        assert (checkout / "build/mo.log").read_text() == f"out {code}\nerror {code}\n"
    assert read(checkout)["outputs"] == {"build/mo.log": sha256sum(checkout / "build/mo.log")}


def test_what_is_made_in_a_part_folder_is_moved_once_it_is_whole(checkout):
    (checkout / "build/ir.part").mkdir()
    (checkout / "build/ir.part/left").write_text("by a run that was killed")
    (checkout / "both.sh").write_text("ls $1; echo > $1/a.xml; echo > $1/a.bin; exit $2")
    outputs = ("--output", "build/a.xml", "build/a.bin")
    for code in (1, 0):
        got, stdout, _ = run(checkout, *outputs, command=["sh", "both.sh", "build/ir.part", str(code)])
        assert got == code and "left" not in stdout.splitlines()
        assert (checkout / "build/a.xml").exists() == (checkout / "build/a.bin").exists() == (code == 0)
    assert not (checkout / "build/ir.part").exists()
    code, _, stderr = run(checkout, *outputs, "build/b.xml", command=["sh", "both.sh", "build/ir.part", "0", "b"])
    assert code == 1 and stderr == "build/b.xml: copy ended without making it, so there is no record of copy\n"


def test_what_a_stage_makes_no_longer_goes_and_what_others_made_stays(checkout):
    (checkout / "build/other.txt").write_text("another stage's")
    run(checkout, "--output", "build/a.txt", command=["touch", "build/a.txt"], redirect="> build/a.log 2>&1")
    assert (checkout / "build/a.log").exists()
    run(checkout, "--output", "build/a.txt", command=["cp", "reviews.txt", "build/a.txt"])
    assert sorted(path.name for path in (checkout / "build").iterdir()) == ["a.txt", "copy.record.json", "other.txt"]


def start_tidy(checkout):
    copy(checkout)
    (checkout / "tidy.py").write_text(TIDY)
    arguments = ["--record=build/copy.record.json", f"--command={sys.executable} tidy.py"]
    process = start(checkout, "run", *arguments)
    until((checkout / "build/ready").exists, process)
    return process


def test_an_interrupted_command_finishes_its_tidying_up_and_leaves_no_record(checkout):
    process = start_tidy(checkout)
    os.killpg(process.pid, signal.SIGINT)
    code, _, stderr = finish(process)
    assert (code, stderr) == (130, "")
    assert (checkout / "build/tidied").read_text() == str(signal.SIGINT.value)
    assert not (checkout / "build/copy.record.json").exists()


def test_sigterm_is_passed_on_to_the_command(checkout):
    process = start_tidy(checkout)
    os.kill(process.pid, signal.SIGTERM)
    code, _, stderr = finish(process)
    assert (code, stderr) == (143, "")
    assert (checkout / "build/tidied").read_text() == str(signal.SIGTERM.value)
    assert not (checkout / "build/copy.record.json").exists()


def test_an_ignored_sigint_stays_ignored(checkout):
    """As in a background shell, where the command would ignore it too if it ran without the wrapper."""
    (checkout / "ignores.py").write_text("import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)")
    command = [sys.executable, "mk/stage.py", "run", "--record=build/copy.record.json"]
    done = subprocess.run(
        [*command, f"--command={sys.executable} ignores.py"],
        cwd=checkout,
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert done.stdout.splitlines()[-1] == b"True"


@pytest.mark.parametrize("action", ["run", "check", "verify"])
def test_an_interrupt_while_hashing_ends_it_and_keeps_the_record(action, checkout):
    record = copy(checkout)
    big = checkout / "build/copy.txt"
    with big.open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk, and half an hour to hash
    arguments = ["verify", "build"]
    if action != "verify":
        line = " ".join(record["command"])
        arguments = [
            action,
            "--record=build/copy.record.json",
            f"--command={line}",
            "--input",
            "copy.py",
            "reviews.txt",
        ]
    process = start(checkout, *arguments)
    try:
        while str(big) not in (os.path.realpath(fd) for fd in list_open(process)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        code, stdout, stderr = finish(process)
    finally:
        process.kill()
    assert (code, stdout, stderr) == (130, "", "")
    assert read(checkout) == record


def list_open(process):
    folder = f"/proc/{process.pid}/fd"
    return [os.path.join(folder, name) for name in os.listdir(folder)]


# What is made again, and why.


def check(checkout, *flags, source="reviews.txt", target="build/copy.txt", stage="copy", inputs=(), planned=()):
    """Returns why the stage of copy() would be made again, or None if it is as recorded; changes nothing."""
    line = " ".join([sys.executable, "copy.py", source, target, *flags])
    arguments = [f"--record=build/{stage}.record.json", f"--command={line}", "--tell=stale"]
    arguments += ["--input", source, "copy.py", *inputs, "--output", target, "--planned", *planned]
    before = snapshot(checkout)
    code, stdout, stderr = finish(start(checkout, "check", *arguments))
    assert code == 0 and snapshot(checkout) == before
    assert stdout == (f"{line}\n" if stderr else "as recorded\n")
    return stderr.removeprefix(f"{stage}: ").strip() or None


def test_times_say_nothing(checkout):
    assert check(checkout) == "not made yet"
    copy(checkout)
    assert check(checkout) is None
    for path in ("reviews.txt", "copy.py", "build/copy.txt", "build/copy.record.json"):
        for when in (0, time.time() + 1e6):
            os.utime(checkout / path, (when, when))
            assert check(checkout) is None


def test_a_stage_as_recorded_is_not_run(checkout):
    copy(checkout)
    before = snapshot(checkout)
    command = [sys.executable, "copy.py", "reviews.txt", "build/copy.txt"]
    done = run(checkout, "--input", "reviews.txt", "copy.py", "--output", "build/copy.txt", command=command)
    assert done == (0, "", "") and snapshot(checkout) == before


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(
    "act, path, why",
    [
        (lambda path: path.write_text("Awful\n"), "reviews.txt", "reviews.txt differs from what it was made with"),
        (lambda path: path.unlink(), "reviews.txt", "it read reviews.txt, and does not now"),
        (lambda path: path.write_text(COPY + "\n"), "copy.py", "copy.py differs from what it was made with"),
        (lambda path: path.write_text("Awful\n"), "build/copy.txt", "build/copy.txt is not as it was made"),
        (lambda path: path.unlink(), "build/copy.txt", "build/copy.txt is not there"),
        (lambda path: path.unlink(), "build/copy.record.json", "not made yet"),
        (lambda path: path.write_text(path.read_text()[:-9]), "build/copy.record.json", "its record unreadable"),
        (
            lambda path: path.write_text(path.read_text().replace("null", "0")),
            "build/copy.record.json",
            "its record ed",
        ),
    ],
)
def test_what_differs_in_content_is_named(act, path, why, cached, checkout, monkeypatch):
    if cached:
        monkeypatch.setitem(ENVIRONMENT, "SHA256_CACHE", str(checkout.parent / "cache.sqlite"))
    copy(checkout)
    time.sleep(1.1 if cached else 0)  # what has just changed is not remembered
    assert check(checkout) is None
    status = os.stat(checkout / path)
    act(checkout / path)
    if (checkout / path).exists():  # of the old size and time, as after a hurried edit
        os.utime(checkout / path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert check(checkout).startswith(why)


@pytest.mark.parametrize(
    "before, now, why",
    [
        ([], ["--rate=2"], "--rate is new"),
        (["--rate=2"], [], "--rate is gone"),
        (["--rate=1", "--do", "x"], ["--rate=2", "--do", "y"], "--rate was 1, is 2, --do was x, is y"),
        (["one"], ["two"], "its command was `"),
    ],
)
def test_another_command_is_told_by_its_flags(before, now, why, checkout):
    copy(checkout, "reviews.txt", "build/copy.txt", "copy", *before)
    assert check(checkout, *now).startswith(why)


def test_more_or_fewer_inputs_are_told_and_what_is_to_be_made_first(checkout):
    copy(checkout)
    assert check(checkout, inputs=["mk/stage.py"]) == "it has not read mk/stage.py"
    assert check(checkout, planned=["build", "reviews.txt"]) == "reviews.txt is to be made first"
    copy(checkout, "build/copy.txt", "build/again.txt", "again")
    again = {"source": "build/copy.txt", "target": "build/again.txt", "stage": "again"}
    assert check(checkout, **again) is None
    assert check(checkout, **again, planned=["build"]) == "build/copy.txt is to be made first"


@pytest.mark.parametrize("content", [b"", b"not a database at all, and longer than a header of one would be", None])
def test_a_broken_cache_of_digests_costs_nothing(content, checkout, monkeypatch):
    cache = checkout.parent / "cache.sqlite"
    monkeypatch.setitem(ENVIRONMENT, "SHA256_CACHE", str(cache))
    cache.mkdir() if content is None else cache.write_bytes(content)
    copy(checkout)
    assert check(checkout) is None


def test_the_modules_of_the_checkout_that_a_command_imported_are_inputs(checkout, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", ".:mk")
    (checkout / "films").mkdir()
    for name, text in (("__init__", ""), ("plot", ""), ("cast", "import films.plot"), ("unused", "")):
        (checkout / f"films/{name}.py").write_text(text)
    (checkout / "lazy.py").write_text("")
    (checkout / "main.py").write_text("import films.cast\nif True:\n    import lazy\nopen('build/copy.txt', 'w')\n")
    given = dict(command=[sys.executable, "main.py"])
    options = ("--input", "main.py", "--output", "build/copy.txt")
    assert run(checkout, *options, **given)[0] == 0
    modules = ["films/__init__.py", "films/cast.py", "films/plot.py", "lazy.py", "main.py"]
    assert read(checkout)["modules"] == modules and set(read(checkout)["inputs"]) == set(modules)
    for name in ("films/unused.py", "mk/sitecustomize.py"):
        change(checkout / name)
        assert run(checkout, *options, **given, action="check")[1] == "as recorded\n"
    for name in modules:
        before = (checkout / name).read_bytes()
        change(checkout / name)
        code, _, told = run(checkout, *options, "--tell=stale", **given, action="check")
        assert told == f"copy: {name} differs from what it was made with\n"
        (checkout / name).write_bytes(before)
    (checkout / "films/plot.py").unlink()
    assert "films/plot.py is not there" in run(checkout, *options, "--tell=stale", **given, action="check")[2]


def test_a_module_that_changed_while_the_command_ran_is_recorded_as_it_was_before(checkout, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", ".:mk")
    (checkout / "plot.py").write_text("")
    (checkout / "main.py").write_text("import plot\nopen('plot.py', 'w').write('1')\n")
    run(checkout, "--input", "main.py", command=[sys.executable, "main.py"])
    told = run(checkout, "--input", "main.py", "--tell=stale", command=[sys.executable, "main.py"], action="check")[2]
    assert told == "copy: plot.py differs from what it was made with\n"


def test_a_command_whose_modules_cannot_be_noted_leaves_no_record(checkout, monkeypatch):
    """As on a full disk: without them nobody would know when to make it again."""
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", ".:mk")
    (checkout / "main.py").write_text("import os\nos.mkdir(os.environ['STAGE_MODULES'])\n")
    code, _, stderr = run(checkout, "--input", "main.py", command=[sys.executable, "main.py"])
    assert code == 1 and "cannot note which modules copy imported: is there room for it?" in stderr
    assert not (checkout / "build/copy.record.json").exists()


# What can be resumed: earlier results are moved aside, and back.

TRAIN = """
import os, sys
rate, steps, stop = sys.argv[1], int(sys.argv[2]), os.path.exists("stop") and int(open("stop").read())
os.makedirs("build/result", exist_ok=True)
for i in range(1, steps + 1):
    if i == stop:
        sys.exit(3)
    if not os.path.exists(f"build/result/{i}.index"):
        open(f"build/result/{i}.rate", "w").write(rate)
        open(f"build/result/{i}.index", "w").write(rate)
        print("step", i, rate)
"""


@pytest.fixture
def train(checkout):
    """A function that trains with a rate for some steps, the stage `result`; returns (code, stdout)."""
    (checkout / "train.py").write_text(TRAIN)

    def run_with(rate, steps=2, *options):
        command = [sys.executable, "train.py", str(rate), str(steps)]
        options = ("--input", "train.py", "--output", "build/result", "--resumes", *options)
        code, stdout, stderr = run(checkout, *options, command=command, stage="result")
        return code, stdout + stderr

    return run_with


def follow(checkout):
    return copy(checkout, "build/result/1.rate", "build/rate.txt", "rate")


def test_an_interrupted_training_goes_on_and_another_starts_anew(train, checkout):
    (checkout / "stop").write_text("2")
    assert train(1) == (3, f"{sys.executable} train.py 1 2\nstep 1 1\n")
    (checkout / "stop").unlink()
    code, output = train(1)
    assert code == 0 and "step 2 1" in output and "step 1 " not in output
    assert "result: was stopped before it was whole" in output
    assert not (checkout / "build/earlier").exists() and not (checkout / "build/result.begun.json").exists()
    (checkout / "build/result.record.json").unlink()  # as after a kill between the last step and the record
    assert "step" in train(1)[1], "without a word on what it was trained with, it is not taken for a part of anything"


def test_another_rate_moves_the_earlier_aside_with_what_follows_and_the_former_brings_it_back(train, checkout):
    train(1)
    first = follow(checkout)
    code, output = train(2)
    assert (
        code == 0
        and "result: its command was" in output
        and "what was made before is in build/earlier/result-" in output
    )
    assert not (checkout / "build/rate.txt").exists() and not (checkout / "build/rate.record.json").exists()
    (aside,) = (checkout / "build/earlier").iterdir()
    names = {str(path.relative_to(aside)) for path in aside.rglob("*") if path.is_file()}
    assert names == {f"result/{i}.{end}" for i in (1, 2) for end in ("index", "rate")} | {
        *("result.record.json", "rate.txt", "rate.record.json")
    }
    follow(checkout)
    assert (checkout / "build/rate.txt").read_text() == "2"
    assert verify(checkout) == "2 records, 7 files: all as recorded"

    code, output = train(1)
    assert code == 0 and "result: made before with the same, and moved back" in output and "step" not in output
    assert (checkout / "build/rate.txt").read_text() == "1" and read(checkout, "rate") == first
    (aside,) = (checkout / "build/earlier").iterdir()
    assert (aside / "rate.txt").read_text() == "2"
    assert verify(checkout) == "2 records, 7 files: all as recorded"


def test_what_was_spoilt_in_the_meantime_is_not_moved_back(train, checkout):
    train(1)
    train(2)
    (aside,) = (checkout / "build/earlier").iterdir()
    change(aside / "result/1.index")
    assert "step 1 1" in train(1)[1]


def test_a_training_that_fails_before_it_saved_anything_puts_the_earlier_back(train, checkout):
    train(1)
    follow(checkout)
    before = snapshot(checkout / "build")
    (checkout / "stop").write_text("1")
    code, output = train(2)
    assert code == 3 and "step" not in output
    assert snapshot(checkout / "build") == before


def test_a_killed_training_with_another_rate_loses_neither(train, checkout):
    train(1)
    (checkout / "stop").write_text("2")
    assert train(2)[0] == 3  # having saved a step
    (checkout / "stop").unlink()
    assert "moved back" in train(1)[1]
    assert sorted(path.name for path in (checkout / "build/result").glob("*.index")) == ["1.index", "2.index"]
    assert {path.read_text() for path in (checkout / "build/earlier").rglob("*.index")} == {"2"}


def test_a_goal_that_only_uses_a_model_does_not_train_another(train, checkout):
    train(1)
    before = snapshot(checkout)
    use = ("--user=score", "--trained", "build/result.record.json")
    code, output = train(2, 2, *use)
    assert code == 1 and snapshot(checkout) == before
    assert output.startswith(
        "make score uses a model and trains none where there is one: that in build is not as asked"
    )
    assert "result: its command was" in output and output.count("\n") == 1
    assert train(1, 2, *use)[0] == 0
    code, output = train(2, 2, "--user=score", "--trained", "build-mine/result2.record.json")
    assert code == 1 and "there is none in build, but in build-mine: add DATA_DIR=" in output
    assert train(2, 2, "--user=score", "--trained")[0] == 0


@pytest.fixture
def two(checkout):
    """A checkout with two stages made, one from the other's output."""
    copy(checkout)
    copy(checkout, "build/copy.txt", "build/again.txt", "again")
    return checkout


def test_all_as_recorded(two):
    before = snapshot(two)
    assert verify(two) == "2 records, 4 files: all as recorded"
    assert snapshot(two) == before


def test_a_checkout_can_be_moved_and_linked_and_asked_from_anywhere(two, tmp_path):
    moved = two.rename(tmp_path / "moved")
    assert verify(moved) == "2 records, 4 files: all as recorded"
    (tmp_path / "link").symlink_to(moved)
    assert verify(tmp_path / "link", tmp_path / "link" / "build") == "2 records, 4 files: all as recorded"
    code, stdout, _ = finish(start(moved, "verify", "moved/build", cwd=tmp_path))
    assert (code, stdout) == (0, "2 records, 4 files: all as recorded\n")


def test_a_build_folder_elsewhere(checkout, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "copy.txt"
    arguments = [f"--command=cp reviews.txt {target}", "--input", "reviews.txt", "--output", target]
    assert finish(start(checkout, "run", f"--record={tmp_path}/elsewhere/copy.record.json", *arguments))[0] == 0
    assert verify(checkout, tmp_path / "elsewhere") == "1 records, 2 files: all as recorded"
    target.write_text("other")
    (line,) = verify_fails(checkout, tmp_path / "elsewhere")
    assert line.startswith(f"{target}: is no longer as copy made it")


def change(path):
    path.write_bytes(path.read_bytes() + b"\n")


def remove(path):
    path.unlink()


@pytest.mark.parametrize(
    "act, path, expected",
    [
        (change, "build/again.txt", ["build/again.txt: is no longer as again made it"]),
        (remove, "build/again.txt", ["build/again.txt: is missing or unreadable: again made it"]),
        (change, "reviews.txt", ["reviews.txt: has changed since copy read it"]),
        (remove, "reviews.txt", ["reviews.txt: is missing or unreadable: copy read it"]),
        (
            change,
            "build/copy.txt",
            ["build/copy.txt: has changed since again read it", "build/copy.txt: is no longer as copy made it"],
        ),
        (remove, "build/again.record.json", ["build/again.txt: in no record"]),
        (remove, "build/copy.record.json", ["build/copy.txt: in no record"]),  # though another stage read it
    ],
)
def test_each_difference_is_named(act, path, expected, two):
    act(two / path)
    lines = verify_fails(two)
    assert len(lines) == len(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True)), lines


def test_strays_are_named_and_what_make_keeps_for_itself_is_not(two):
    (two / "build/result1").mkdir()
    (two / "build/classifier.cache").mkdir()
    for name in ("half.part", "result1.begun.json", "classifier.cache/1.blob"):
        (two / "build" / name).touch()
    assert verify(two) == "2 records, 4 files: all as recorded"
    (two / "build/result1/model.ckpt-50.index").touch()
    assert verify_fails(two) == [
        "build/result1/model.ckpt-50.index: in no record: its stage has not ended, or it came from elsewhere"
    ]


def edit(text):
    return text.replace('"random_seed": null', '"random_seed": 0')


def lose(text):
    return json.dumps({key: value for key, value in json.loads(text).items() if key != "outputs"})


@pytest.mark.parametrize(
    "spoil, message",
    [
        (edit, "edited by hand since it was written: make the stage again or restore it"),
        (lambda text: text.replace('"seconds": ', '"seconds": 1'), "edited by hand since it was written"),
        (lambda text: text[:-20], "unreadable or not JSON"),
        (lambda text: "", "unreadable or not JSON"),
        (lambda text: "[" * 100_000, "unreadable or not JSON"),
        (lambda text: "[]\n", "lacks stage, inputs, outputs, sha256"),
        (lose, "lacks outputs"),
    ],
)
def test_a_spoilt_record_is_one_clear_line(spoil, message, two):
    path = two / "build/copy.record.json"
    before = path.read_text()
    path.write_text(spoil(before))
    assert path.read_text() != before
    (line,) = verify_fails(two)
    assert line.startswith(f"build/copy.record.json: {message}")


def test_another_layout_of_the_same_record_is_no_edit(two):
    path = two / "build/copy.record.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert verify(two) == "2 records, 4 files: all as recorded"


@pytest.mark.parametrize("folder, message", [("build", "no records in it"), ("nowhere", "no such folder")])
def test_without_records_there_is_one_clear_line(folder, message, checkout):
    code, stdout, stderr = finish(start(checkout, "verify", folder))
    assert (code, stdout, len(stderr.splitlines())) == (1, "", 1)
    assert stderr.startswith(f"{folder}: {message}")
