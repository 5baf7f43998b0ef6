"""Every pin has a hash, what pip-audit finds is told apart by what is accepted, bills of materials are valid."""

import json
import os
import subprocess
import sys
from pathlib import Path

import audit
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from fuzzing import BYTES, answer_or_line, given

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted(path.stem for path in (ROOT / "requirements").glob("*.in"))
ACCEPTED = "requirements/accepted-advisories.txt"


def run(*arguments, accepted=ACCEPTED, **environment):
    """Runs audit.py in the checkout; returns (exit code, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "mk/audit.py", f"--accepted={accepted}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pin_has_hashes_and_no_file_says_where_it_was_locked(environment):
    path = ROOT / "requirements" / f"{environment}.txt"
    assert len(audit.read_pins(path)) == path.read_text().count("==")
    lines = path.read_text().splitlines()
    for line, after in zip(lines, lines[1:], strict=False):
        assert "==" not in line or after.startswith("    --hash=sha256:"), line
    assert "://" not in path.read_text() and "--index" not in path.read_text()


@pytest.mark.process
@pytest.mark.parametrize("line", ["film", "film>=1 \\", "film==1", "film==1.* \\", "-r other.txt \\", "./film \\"])
def test_a_pin_without_version_or_hash_is_one_clear_line(line, tmp_path):
    (tmp_path / "film.txt").write_text(f"{line}\n")
    code, _, stderr = run(tmp_path / "film.txt")
    assert code == 1 and stderr.count("\n") == 1 and "not NAME==VERSION and hashes" in stderr


def test_pip_audits_report_is_read():
    report = {
        "dependencies": [
            {
                "name": "Film",
                "version": "1",
                "vulns": [{"id": "X-1", "fix_versions": ["2", "3"], "aliases": ["CVE-1"]}],
            },
            {"name": "book", "version": "1", "vulns": []},
        ]
    }
    assert list(audit.read_report("film.txt", {"film": "1", "book": "1"}, report)) == [
        ("film", "1", ["X-1", "CVE-1"], "2")
    ]


def answer(monkeypatch, capsys, accepted, *vulnerabilities):
    """Runs the audit of a file with one pin, of which pip-audit knows some vulnerabilities; returns (exit, stdout)."""
    folder = accepted.parent
    (folder / "film.txt").write_text(f"film==1 \\\n    --hash=sha256:{64 * '0'}\n")
    found = [{"id": name, "fix_versions": [], "aliases": [alias]} for name, alias in vulnerabilities]
    report = {"dependencies": [{"name": "film", "version": "1", "vulns": found}]}
    monkeypatch.setattr(audit, "ask_pip_audit", lambda path: report)
    monkeypatch.setattr(sys, "argv", ["audit.py", f"--accepted={accepted}", str(folder / "film.txt")])
    try:
        audit.main()
        code = None
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


def test_what_is_accepted_by_its_name_its_alias_or_its_pin_passes_and_nothing_else(tmp_path, monkeypatch, capsys):
    accepted = tmp_path / "accepted.txt"
    accepted.write_text("# none but\nX-1 for a reason\nCVE-2 for another\n")
    known = ("X-1", "CVE-1"), ("X-2", "CVE-2")
    code, output = answer(monkeypatch, capsys, accepted, *known)
    assert code is None and "accepted: CVE-2: for another" in output
    assert output.endswith("2 known vulnerabilities, 2 of them accepted\n")
    code, output = answer(monkeypatch, capsys, accepted, *known, ("X-3", "CVE-3"))
    assert code.startswith("X-3: move to a version without") and "3 known vulnerabilities, 2 of them" in output
    accepted.write_text("film==1 is not what it was\n")
    assert answer(monkeypatch, capsys, accepted, *known)[0] is None
    accepted.write_text("X-1\n")
    assert "X-1 is accepted for no reason" in answer(monkeypatch, capsys, accepted, *known)[0]


@pytest.mark.parametrize("answer", [[], [{"name": "film", "skip_reason": "Dependency not found on PyPI"}]])
def test_what_pypi_says_nothing_about_is_not_taken_for_safe(answer):
    answers = {"dependencies": [*answer, {"name": "book", "version": "1", "vulns": []}]}
    with pytest.raises(
        SystemExit, match="PyPI says nothing about 1 of 2 packages, such as film 1: run make audit again"
    ):
        list(audit.read_report("film.txt", {"film": "1", "book": "1"}, answers))


@pytest.mark.process
def test_without_a_network_one_line_says_what_to_do():
    code, output, stderr = run(
        "requirements/lint.txt", https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9"
    )
    assert code == 1 and "known" not in output
    assert stderr.count("\n") == 1 and "PyPI could not be asked" in stderr or "PyPI says nothing" in stderr


@pytest.mark.process
@pytest.mark.parametrize("environment", ["lint", "tf1"])
def test_bills_of_materials_are_valid_and_hold_pins_and_hashes(environment, tmp_path):
    sbom = tmp_path / "sbom" / f"{environment}.cdx.json"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", f"BUILD={tmp_path}", str(sbom)], cwd=ROOT, env=clean, check=True, capture_output=True)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom.read_text()) is None
    components = json.loads(sbom.read_text())["components"]
    path = ROOT / "requirements" / f"{environment}.txt"
    assert {component["purl"] for component in components} == {
        f"pkg:pypi/{name}@{version}" for name, version in audit.read_pins(path).items()
    }
    hashes = [
        digest["content"]
        for component in components
        for reference in component["externalReferences"]
        for digest in reference["hashes"]
    ]
    assert sorted(hashes) == sorted(
        line.split(":")[1].rstrip(" \\") for line in path.read_text().splitlines() if "--hash" in line
    )
    assert str(ROOT) not in sbom.read_text()


@pytest.mark.more
@given(BYTES)
def test_any_bytes_are_read_or_refused(path, data):
    path.write_bytes(data)
    for values in (answer_or_line(audit.read_pins, path), answer_or_line(audit.read_accepted, path)):
        assert all(isinstance(text, str) and text for item in (values or {}).items() for text in item)
