"""Records: what they hold, that a failed or stopped command leaves none, and that every difference is named."""

import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest
from conftest import ROOT

ENVIRONMENT = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "PYTHONUTF8": "1"}
COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
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
    """A checkout with provenance.py in it, a file to read and a folder to build in."""
    (tmp_path / "checkout" / "build").mkdir(parents=True)
    shutil.copy(ROOT / "provenance.py", tmp_path / "checkout")
    (tmp_path / "checkout" / "reviews.txt").write_text("Absolutely fantastic!\n")
    return tmp_path / "checkout"


def start(checkout, *arguments, **options):
    """Starts provenance.py in a process group of its own, with SIGINT as at a terminal (CI's shell may ignore it)."""
    return subprocess.Popen(
        [sys.executable, checkout / "provenance.py", *map(str, arguments)],
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
    stdout, stderr = process.communicate(timeout=30)
    assert "Traceback" not in stderr, stderr
    return process.returncode, stdout, stderr


def run(checkout, *options, command, stage="copy"):
    return finish(start(checkout, "run", f"--record=build/{stage}.record.json", *options, "--", *command))


def copy(checkout, source="reviews.txt", target="build/copy.txt", stage="copy", *flags):
    """A stage that copies a file, and must succeed; returns its record."""
    command = [sys.executable, "-c", COPY, source, target, *flags]
    code, _, stderr = run(checkout, "--input", source, "--output", target, command=command, stage=stage)
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
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def sha256sum(path):
    return subprocess.check_output(["sha256sum", path], text=True).split()[0]


def commit(checkout):
    """Makes the checkout a repository; returns its commit."""
    git = ["git", "-C", checkout, "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "--quiet"], ["add", "provenance.py", "reviews.txt"], ["commit", "--quiet", "-m", "test"]):
        subprocess.run([*git, *words], check=True, env=ENVIRONMENT)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True, env=ENVIRONMENT).strip()


def test_what_a_record_holds(checkout):
    (checkout / ".gitignore").write_text("/build/\n")
    before = time.time()
    flags = ["--random_seed=7", "--do_train=true", "--input_shape", "[1,48],[1,48]", "--quiet", "--note=a=b"]
    record = copy(checkout, "reviews.txt", "build/copy.txt", "copy", *flags)
    assert record["stage"] == "copy"
    assert record["command"] == [sys.executable, "-c", COPY, "reviews.txt", "build/copy.txt", *flags]
    assert record["flags"] == {
        "random_seed": "7",
        "do_train": "true",
        "input_shape": "[1,48],[1,48]",
        "quiet": True,
        "note": "a=b",
    }
    assert record["random_seed"] == 7
    assert record["inputs"] == {"reviews.txt": sha256sum(checkout / "reviews.txt")}
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


def test_peak_memory_is_the_commands(checkout):
    command = [sys.executable, "-c", "open('build/copy.txt', 'w').close(); b'x' * (200 << 20)"]
    assert run(checkout, "--output", "build/copy.txt", command=command)[0] == 0
    record = json.loads((checkout / "build/copy.record.json").read_text())
    assert 200 << 20 < record["peak_memory_bytes"] < 400 << 20


def test_commit_and_whether_the_tree_was_dirty(checkout):
    assert [copy(checkout)[key] for key in ("git_commit", "git_dirty")] == [None, None]
    subprocess.run(["git", "init", "--quiet", checkout.parent], check=True, env=ENVIRONMENT)  # one around it
    assert [copy(checkout)[key] for key in ("git_commit", "git_dirty")] == [None, None]
    head = commit(checkout)
    (checkout / ".git" / "info" / "exclude").write_text("/build/\n")
    assert [copy(checkout)[key] for key in ("git_commit", "git_dirty")] == [head, False]
    (checkout / "reviews.txt").write_text("Awful\n")
    assert [copy(checkout)[key] for key in ("git_commit", "git_dirty")] == [head, True]


def test_the_command_is_shown_as_make_shows_it_and_prints_as_without_the_wrapper(checkout):
    command = ["env", "CI=true", sys.executable, "-c", "import os; print(os.environ['CI'])", "{i32}"]
    code, stdout, stderr = run(checkout, command=command)
    shown = f"env CI=true {sys.executable} -c 'import os; print(os.environ['\"'\"'CI'\"'\"'])' '{{i32}}'"
    assert (code, stdout.splitlines(), stderr) == (0, [shown, "true"], "")
    record = json.loads((checkout / "build/copy.record.json").read_text())
    assert (record["python"], record["random_seed"]) == (platform.python_version(), None)


def test_a_command_without_python_has_no_packages(checkout):
    assert run(checkout, "--output", "build/copy.txt", command=["cp", "reviews.txt", "build/copy.txt"])[0] == 0
    record = json.loads((checkout / "build/copy.record.json").read_text())
    assert (record["python"], record["packages"]) == (None, {})


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
    record = json.loads((checkout / "build/copy.record.json").read_text())
    assert (record["python"], record["packages"]) == ("3.7.16", {"absl-py": "0.9.0"})


def test_folders_and_checkpoints_stand_for_their_files(checkout, tmp_path):
    kept = ["events", "eval/events", "model.ckpt-31.index", "model.ckpt-312.index", "model.ckpt-312.meta"]
    kept += ["model.ckpt-312.data-00000-of-00001", "model.ckpt-312.data-00000-of-00001.tempstate1"]
    for name in [*kept, "started", "old.record.json", "half.part", "ir.part/half"]:
        (checkout / "build/result1" / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / "build/result1" / name).write_text(name)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pos.txt").write_text("pos")
    inputs = ["--input", "build/result1/model.ckpt-312", tmp_path / "elsewhere", "--input", "reviews.txt"]
    assert run(checkout, *inputs, "--output", "build/result1", command=["true"])[0] == 0
    record = json.loads((checkout / "build/copy.record.json").read_text())
    ends = ("index", "meta", "data-00000-of-00001")
    checkpoint = {f"build/result1/model.ckpt-312.{end}" for end in ends}
    assert set(record["inputs"]) == checkpoint | {"reviews.txt", str(tmp_path / "elsewhere/pos.txt")}
    assert set(record["outputs"]) == {f"build/result1/{name}" for name in kept}


def test_inputs_are_hashed_before_the_command_runs(checkout):
    before = sha256sum(checkout / "reviews.txt")
    command = ["sh", "-c", "echo more >> reviews.txt; echo > build/copy.txt"]
    assert run(checkout, "--input", "reviews.txt", "--output", "build/copy.txt", command=command)[0] == 0
    record = json.loads((checkout / "build/copy.record.json").read_text())
    assert record["inputs"] == {"reviews.txt": before}
    assert verify_fails(checkout) == [
        "reviews.txt: has changed since copy read it: restore it, or remove it and make copy again"
    ]


@pytest.mark.parametrize("script, expected", [("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)])
def test_a_failed_command_hands_on_its_code_and_leaves_no_record(script, expected, checkout):
    copy(checkout)
    command = ["sh", "-c", f"echo half > build/copy.txt; echo why >&2; {script}"]
    code, _, stderr = run(checkout, "--output", "build/copy.txt", command=command)
    assert (code, stderr) == (expected, "why\n")
    assert not (checkout / "build/copy.record.json").exists()


def test_a_command_that_fails_before_it_made_anything_costs_no_record(checkout):
    record = copy(checkout)
    command = ["sh", "-c", "test ! -e build/copy.record.json && exit 3"]
    assert run(checkout, "--parameters=b", "--output", "build/copy.txt", command=command)[0] == 3
    assert json.loads((checkout / "build/copy.record.json").read_text()) == record
    assert verify(checkout) == "1 records, 2 files: all as recorded"


def test_parameters_are_as_make_compares_them(checkout):
    """One line of the file, however they were spaced, and in the letters they were given in."""
    assert run(checkout, "--parameters= a  b/ü ", command=["true"])[0] == 0
    assert '"parameters": "a b/ü"' in (checkout / "build/copy.record.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "options, command, message",
    [
        (["--input", "nowhere.txt"], ["touch", "build/ran"], "nowhere.txt: no such file, folder or checkpoint"),
        (["--input", "empty"], ["touch", "build/ran"], "empty: no such file, folder or checkpoint"),
        (["--input", "model.ckpt-1"], ["touch", "build/ran"], "model.ckpt-1: no such file, folder or checkpoint"),
        (["--output", "build/copy.txt"], ["true"], "build/copy.txt: copy ended without making it"),
        ([], ["./no-such-command"], "./no-such-command: No such file or directory"),
        (["--stdout", "empty"], ["true"], "empty: Is a directory"),
        (["--stdout", "nowhere/out.txt"], ["true"], "nowhere/out.txt.part: No such file or directory"),
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
    assert json.loads((checkout / "build/copy.record.json").read_text()) == record


def test_a_record_needs_its_name_and_a_command(checkout):
    for arguments in (["--record=build/copy.json", "--", "true"], ["--record=build/copy.record.json"]):
        code, _, stderr = finish(start(checkout, "run", *arguments))
        assert code == 2 and "ends with .record.json and, after --, a command" in stderr


def test_stdout_appears_whole_or_not(checkout):
    (checkout / "build/predict.txt").write_text("older\n")
    command = ["sh", "-c", "echo half; cat build/predict.txt >&2; exit 1"]
    code, stdout, stderr = run(checkout, "--stdout=build/predict.txt", command=command)
    assert (code, stderr) == (1, "older\n")
    assert stdout.endswith(" > build/predict.txt\n")
    assert (checkout / "build/predict.txt").read_text() == "older\n"
    assert run(checkout, "--stdout=build/predict.txt", command=["echo", "newer"])[1:] == (
        "echo newer > build/predict.txt\n",
        "",
    )
    assert (checkout / "build/predict.txt").read_text() == "newer\n"
    record = json.loads((checkout / "build/copy.record.json").read_text())
    assert record["outputs"] == {"build/predict.txt": sha256sum(checkout / "build/predict.txt")}
    assert not list((checkout / "build").glob("*.part"))


def test_a_log_stays_whatever_happens(checkout):
    for code in (1, 0):
        command = ["sh", "-c", f"echo out {code}; echo error {code} >&2; exit {code}"]
        got, stdout, stderr = run(checkout, "--log=build/mo.log", command=command)
        assert (got, stderr) == (code, "copy failed: see build/mo.log\n" if code else "")
        assert stdout.endswith(" > build/mo.log 2>&1\n") and len(stdout.splitlines()) == 1
        assert (checkout / "build/mo.log").read_text() == f"out {code}\nerror {code}\n"
    record = json.loads((checkout / "build/copy.record.json").read_text())
    assert record["outputs"] == {"build/mo.log": sha256sum(checkout / "build/mo.log")}


def test_what_is_made_in_a_part_folder_is_moved_once_it_is_whole(checkout):
    (checkout / "build/part").mkdir()
    (checkout / "build/part/left").write_text("by a run that was killed")
    options = ("--part=build/part", "--output", "build/a.xml", "build/a.bin")
    for code in (1, 0):
        command = ["sh", "-c", f"ls build/part; echo > build/part/a.xml; echo > build/part/a.bin; exit {code}"]
        got, stdout, _ = run(checkout, *options, command=command)
        assert got == code and "left" not in stdout.splitlines()
        assert (checkout / "build/a.xml").exists() == (checkout / "build/a.bin").exists() == (code == 0)
    assert not (checkout / "build/part").exists()
    code, _, stderr = run(checkout, *options, "build/b.xml", command=["touch", "build/part/a.xml", "build/part/a.bin"])
    assert code == 1 and stderr == "build/b.xml: copy ended without making it, so there is no record of copy\n"


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def start_tidy(checkout):
    copy(checkout)
    command = [sys.executable, "-c", TIDY]
    process = start(checkout, "run", "--record=build/copy.record.json", "--", *command)
    wait_for(checkout / "build/ready", process)
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
    command = [sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"]
    words = [sys.executable, "provenance.py", "run", "--record=build/copy.record.json", "--", *command]
    done = subprocess.run(
        words, cwd=checkout, capture_output=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    assert done.stdout.splitlines()[-1] == b"True"


@pytest.mark.parametrize("action", ["run", "verify"])
def test_an_interrupt_while_hashing_ends_it_and_keeps_the_record(action, checkout):
    record = copy(checkout)
    big = checkout / "build/copy.txt"
    with big.open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk, and half an hour to hash
    arguments = ["verify", "build"]
    if action == "run":
        arguments = ["run", "--record=build/copy.record.json", "--input", big, "--", "touch", "build/ran"]
    process = start(checkout, *arguments)
    try:
        while str(big) not in (os.path.realpath(fd) for fd in list_open(process)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        code, _, stderr = finish(process)
    finally:
        process.kill()
    assert (code, stderr) == (130, "")
    assert json.loads((checkout / "build/copy.record.json").read_text()) == record
    assert not (checkout / "build/ran").exists()


def list_open(process):
    folder = f"/proc/{process.pid}/fd"
    return [os.path.join(folder, name) for name in os.listdir(folder)]


@pytest.fixture
def two(checkout):
    """A checkout with two stages made, one from the other's output."""
    copy(checkout)
    copy(checkout, "build/copy.txt", "build/again.txt", "again")
    return checkout


def test_all_as_recorded(two):
    before = snapshot(two)
    assert verify(two) == "2 records, 3 files: all as recorded"
    assert snapshot(two) == before


def test_a_checkout_can_be_moved_and_linked_and_asked_from_anywhere(two, tmp_path):
    moved = two.rename(tmp_path / "moved")
    assert verify(moved) == "2 records, 3 files: all as recorded"
    (tmp_path / "link").symlink_to(moved)
    assert verify(tmp_path / "link", tmp_path / "link" / "build") == "2 records, 3 files: all as recorded"
    code, stdout, _ = finish(start(moved, "verify", "moved/build", cwd=tmp_path))
    assert (code, stdout) == (0, "2 records, 3 files: all as recorded\n")


def test_a_build_folder_elsewhere(checkout, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "copy.txt"
    arguments = ["--input", "reviews.txt", "--output", target, "--", "cp", "reviews.txt", target]
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
    for name in ("half.part", "result1/started", "classifier.cache/1.blob"):
        (two / "build" / name).touch()
    assert verify(two) == "2 records, 3 files: all as recorded"
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
    assert verify(two) == "2 records, 3 files: all as recorded"


@pytest.mark.parametrize("folder, message", [("build", "no records in it"), ("nowhere", "no such folder")])
def test_without_records_there_is_one_clear_line(folder, message, checkout):
    code, stdout, stderr = finish(start(checkout, "verify", folder))
    assert (code, stdout, len(stderr.splitlines())) == (1, "", 1)
    assert stderr.startswith(f"{folder}: {message}")
