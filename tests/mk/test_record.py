"""Records that lie are named and lead nowhere; those of real stages: test_stage.py."""

import json
import os
import re
from pathlib import Path

import pytest
from digests import CHECKOUT, digests
from fuzzing import BYTES, JSON, given, st
from modules import run
from record import read_record, seal
from run import restore
from waiting import LONG


def sealed(**record):
    """The text of a record that is as its own digest says."""
    record = {"stage": "film", "inputs": {}, "outputs": {}} | record
    return json.dumps(record | {"sha256": seal(record)})


def test_the_documentation_says_where_the_record_of_every_stage_is():
    rules = "".join(path.read_text() for path in (Path(CHECKOUT, "Makefile"), *Path(CHECKOUT, "mk").glob("*.mk")))
    stages = set(re.findall(r"^\t\$\(call stage,([a-z0-9-]+)", rules, re.MULTILINE))
    table = re.findall(r"^\| (.*) \|.*\|$", Path(CHECKOUT, "docs/provenance.md").read_text(), re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`([a-z0-9-]+)`", row)} | {"archive"}
    assert len(stages) > 20 and stages <= named, stages - named


@pytest.mark.process
@pytest.mark.parametrize(
    "text, message",
    [
        (sealed(inputs=[]), "names what is no file"),
        (sealed(outputs={"a\0b": None}), "names what is no file"),
        (sealed(outputs={"\ud800": None}), "names what is no file"),
        (sealed(outputs={"build/../film": None}), "names what is no file"),
        (sealed(stage=["film"]), "names what is no file"),
        (sealed(stage="\x1b[2J"), "names what is no file"),
        (sealed(inputs={"/dev/zero": None}), "in no record"),
        (sealed(outputs={"/dev/zero": ""}), "/dev/zero: is missing or unreadable"),
        (sealed(outputs={"film": 1}), "film: is missing or unreadable"),
        (sealed(outputs={"x" * 99_999: ""}), "is missing or unreadable"),
        ('{"stage": ' + "9" * 9999 + "}", "unreadable or not JSON"),
        ("[" * 990 + "]" * 990, "lacks stage"),
        ("\0", "unreadable or not JSON"),
    ],
)
def test_a_record_that_lies_is_named_and_leads_nowhere(text, message, tmp_path):
    (tmp_path / "film.record.json").write_text(text, errors="surrogatepass")
    (tmp_path / "stray").touch()
    os.mkfifo(tmp_path / "pipe")
    for name in ("one", "two", "three"):
        (tmp_path / name).symlink_to(tmp_path)
    done = run("mk/stage.py", "verify", tmp_path, timeout=LONG)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


PATHS = st.dictionaries(st.text(max_size=9) | st.sampled_from(["film", "/dev/zero", "../film"]), JSON) | JSON


@pytest.mark.more
@given(st.fixed_dictionaries({"stage": st.just("film") | JSON, "inputs": PATHS, "outputs": PATHS}), st.booleans())
def test_a_record_that_is_read_names_files(path, record, sealed):
    record["sha256"] = seal(record) if sealed else ""
    path.write_text(json.dumps(record))
    found, wrong = read_record(path)
    assert (found is None) == bool(wrong)
    if found:
        named = [*found["inputs"], *found["outputs"]]
        assert set(digests([os.path.join(CHECKOUT, name) for name in named])) == set(named)


@pytest.mark.more
@given(BYTES)
def test_any_bytes_are_a_record_or_not(path, data):
    path.write_bytes(data)
    found, wrong = read_record(path)
    assert found is None and wrong
    restore(str(path), data.decode("utf-8", "surrogateescape"))
    assert path.read_bytes() == data
