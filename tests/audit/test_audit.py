"""Every pin has a hash, known vulnerabilities are found, nothing is taken for none, bills of materials are valid."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import audit

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted(path.stem for path in (ROOT / "requirements").glob("*.in"))
BUNDLED = "requirements/advisories.json"
ACCEPTED = "requirements/accepted-advisories.txt"


def run(*arguments, accepted=ACCEPTED, **environment):
    """Runs audit.py in the checkout; returns (exit code, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "audit.py", f"--accepted={accepted}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def advisory(*events, kind="ECOSYSTEM", ecosystem="PyPI", **more):
    """An advisory on `film`, with one range of (kind, version) events."""
    ranges = [{"type": kind, "events": [{name: version} for name, version in events]}]
    affected = {"package": {"name": "Film", "ecosystem": ecosystem}, "ranges": ranges} | more
    return {"id": "X-1", "aliases": ["CVE-1"], "affected": [affected]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pin_has_hashes_and_no_file_says_where_it_was_locked(environment):
    path = ROOT / "requirements" / f"{environment}.txt"
    assert len(audit.read_pins(path)) == path.read_text().count("==")
    lines = path.read_text().splitlines()
    for line, after in zip(lines, lines[1:], strict=False):
        assert "==" not in line or after.startswith("    --hash=sha256:"), line
    assert "://" not in path.read_text() and "--index" not in path.read_text()


@pytest.mark.parametrize("line", ["film", "film>=1 \\", "film==1", "film==1.* \\", "-r other.txt \\", "./film \\"])
def test_a_pin_without_version_or_hash_is_one_clear_line(line, tmp_path):
    (tmp_path / "film.txt").write_text(f"{line}\n")
    code, _, stderr = run(f"--advisories={BUNDLED}", tmp_path / "film.txt")
    assert code == 1 and stderr.count("\n") == 1 and "not NAME==VERSION and hashes" in stderr


@pytest.mark.parametrize(
    "version, fixed, one",
    [
        ("1.0", "1.2", advisory(("introduced", "0"), ("fixed", "1.2"))),
        ("1.2rc1", "1.2", advisory(("introduced", "0"), ("fixed", "1.2"))),
        ("1.9", "1.10", advisory(("introduced", "1.2"), ("fixed", "1.10"))),
        ("2.1", "2.2", advisory(("fixed", "2.2"), ("introduced", "2"), ("fixed", "1.2"), ("introduced", "0"))),
        ("1.2", "", advisory(("introduced", "1"), ("last_affected", "1.2"))),
        ("1.2.0", "", advisory(("introduced", "3"), versions=["1.2"])),
        ("1.2", "", advisory(("introduced", "0"), kind="ECOSYSTEM")),
    ],
)
def test_an_affected_version_is_found(version, fixed, one):
    assert list(audit.match({"film": version}, [one])) == [("film", version, ["X-1", "CVE-1"], fixed)]


@pytest.mark.parametrize(
    "version, one",
    [
        ("1.2", advisory(("introduced", "0"), ("fixed", "1.2"))),
        ("1.10", advisory(("introduced", "1.2"), ("fixed", "1.10"))),
        ("1.5", advisory(("fixed", "2.2"), ("introduced", "2"), ("fixed", "1.2"), ("introduced", "0"))),
        ("1.2.1", advisory(("introduced", "1"), ("last_affected", "1.2"))),
        ("1.2", advisory(("introduced", "0"), ecosystem="npm")),
        ("1.2", advisory(("introduced", "0"), ("fixed", "5ac1b9e"), kind="GIT")),
        ("1.2", {"id": "X-1"}),
    ],
)
def test_an_unaffected_version_is_not(version, one):
    assert list(audit.match({"film": version}, [one])) == []


def test_one_vulnerability_under_two_names_is_one():
    found = [("film", "1", ["GHSA-1", "CVE-1"], "2"), ("film", "1", ["PYSEC-1", "CVE-1"], "2")]
    assert audit.merge(found) == [("film", "1", ["GHSA-1", "CVE-1", "PYSEC-1"], "2")]
    assert len(audit.merge([*found, ("film", "1", ["CVE-2"], ""), ("book", "1", ["CVE-1"], "")])) == 3


def test_bundled_advisories_are_listed_and_accepted():
    files = [f"requirements/{environment}.txt" for environment in ENVIRONMENTS]
    code, output, stderr = run(f"--advisories={BUNDLED}", *files)
    assert code == 0, stderr
    rows = [line.split() for line in output.splitlines() if line.startswith("  tensorflow  1.15.0")]
    assert ["tensorflow", "1.15.0", "GHSA-7pxj-m4jf-r6h2", "2.4.4", "tensorflow==1.15.0"] in rows
    assert "requirements/openvino.txt: " in output and "accepted: tensorflow==1.15.0: TensorFlow 1 gets" in output
    assert "by 8 advisories in requirements/advisories.json: " in output


def test_what_is_not_accepted_fails(tmp_path):
    (tmp_path / "accepted.txt").write_text("# none but\nCVE-2021-41203 for a reason\n")
    arguments = f"--advisories={BUNDLED}", "requirements/tf1.txt"
    code, output, stderr = run(*arguments, accepted=tmp_path / "accepted.txt")
    assert code == 1 and "6 known vulnerabilities, 1 of them accepted" in output
    assert stderr.count("\n") == 1 and "GHSA-977j-xj7q-2jr9" in stderr and "GHSA-7pxj-m4jf-r6h2" not in stderr
    (tmp_path / "accepted.txt").write_text("CVE-2021-41203\n")
    code, _, stderr = run(*arguments, accepted=tmp_path / "accepted.txt")
    assert code == 1 and "CVE-2021-41203 is accepted for no reason" in stderr


def test_osvs_zip_will_do(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for one in json.loads((ROOT / BUNDLED).read_text()):
            archive.writestr(f"{one['id']}.json", json.dumps(one))
        archive.writestr("X-1.json", json.dumps(advisory(("introduced", "0")) | {"withdrawn": "2020-01-01T00:00:00Z"}))
    assert audit.read_advisories(tmp_path / "all.zip") == json.loads((ROOT / BUNDLED).read_text())


@pytest.mark.parametrize("content", ["", "[]", "{}", "[1]", "3", "<html>", '[{"id": "X-1", "withdrawn": "2020"}]'])
def test_a_file_without_advisories_is_one_clear_line(content, tmp_path):
    (tmp_path / "advisories.json").write_text(content)
    code, _, stderr = run(f"--advisories={tmp_path / 'advisories.json'}", "requirements/lint.txt")
    assert code == 1 and stderr.startswith(str(tmp_path)) and stderr.count("\n") == 1


def test_a_version_that_cannot_be_compared_is_not_passed_over():
    with pytest.raises(SystemExit, match="X-1: Invalid version: '1-of-2'"):
        list(audit.match({"film": "1"}, [advisory(("introduced", "1-of-2"))]))


@pytest.mark.parametrize("affected", [{}, [{}], [{"package": "film"}], 3, [{"package": {"name": "film"}}]])
def test_a_malformed_advisory_is_one_clear_line(affected):
    with pytest.raises(SystemExit, match="X-1: not in OSV's format"):
        list(audit.match({"film": "1"}, [{"id": "X-1", "affected": affected or [None]}]))


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


@pytest.mark.parametrize("answer", [[], [{"name": "film", "skip_reason": "Dependency not found on PyPI"}]])
def test_what_pypi_says_nothing_about_is_not_taken_for_safe(answer):
    answers = {"dependencies": [*answer, {"name": "book", "version": "1", "vulns": []}]}
    with pytest.raises(SystemExit, match="PyPI says nothing about 1 of 2 packages, such as film 1: give advisories"):
        list(audit.read_report("film.txt", {"film": "1", "book": "1"}, answers))


def test_without_a_network_one_line_says_what_to_do():
    code, output, stderr = run(
        "requirements/lint.txt", https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9"
    )
    assert code == 1 and "known" not in output
    assert stderr.count("\n") == 1 and "give advisories in a file, with ADVISORIES=" in stderr


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
