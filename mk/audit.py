"""Lists the known vulnerabilities of the environments' pins, as pip-audit finds them on PyPI.

Runs in the audit environment: python mk/audit.py --accepted=FILE requirements/*.txt
Exits with 1 if there is one that the file of accepted ones gives no reason for, or a pin that could not be looked up.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from infer.text.script import run

COLUMNS = ("package", "version", "advisory", "fixed in", "accepted as")


def read_text(path):
    """Returns the text of a file; exits with one line if it is not UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        sys.exit(f"{path}: not UTF-8")


def read_pins(path):
    """Returns {package: version} of a requirements file whose every line is NAME==VERSION and its hashes."""
    pins = {}
    for line in read_text(path).splitlines():
        if line.strip() and not line.startswith((" ", "#")):
            try:
                requirement = Requirement(line.rstrip(" \\"))
                (pin,) = requirement.specifier
            except (InvalidRequirement, ValueError):
                pin = None
            if not pin or pin.operator != "==" or "*" in pin.version or not line.endswith("\\"):
                sys.exit(f"{path}: not NAME==VERSION and hashes: {line}: make lock again")
            pins[canonicalize_name(requirement.name)] = pin.version
    return pins


def read_accepted(path):
    """Returns {advisory or NAME==VERSION: reason}, one a line of the file at `path`."""
    accepted = {}
    for line in read_text(path).splitlines():
        if line.strip() and not line.startswith("#"):
            what, _, reason = line.strip().partition(" ")
            if not reason.strip():
                sys.exit(f"{path}: {what} is accepted for no reason: add one behind it")
            accepted[what] = reason.strip()
    return accepted


def ask_pip_audit(path):
    """Returns pip-audit's report (a dict) on the requirements file at `path`."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--vulnerability-service=pypi"]
    command += ["--format=json", "--desc=off", "--aliases=on", "--progress-spinner=off"]
    done = subprocess.run([*command, f"--requirement={path}"], capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["pip-audit failed"])[-1]
        sys.exit(f"PyPI could not be asked: {last}: run make audit again where it can be reached")


def read_report(path, pins, report):
    """Yields (package, version, advisory's names, fixed in or "-") of pip-audit's report on the pins of a file.

    Raises: SystemExit if there are pins it did not look up: pip-audit calls those skipped, and is content.
    """
    answers = {canonicalize_name(answer["name"]): answer for answer in report["dependencies"]}
    unknown = [name for name in pins if "vulns" not in answers.get(name, {})]
    if unknown:
        sys.exit(
            f"{path}: PyPI says nothing about {len(unknown)} of {len(pins)} packages, such as {unknown[0]} "
            f"{pins[unknown[0]]}: run make audit again where it can be reached"
        )
    for name, version in sorted(pins.items()):
        for vulnerability in answers[name]["vulns"]:
            yield (
                name,
                version,
                [vulnerability["id"], *vulnerability["aliases"]],
                [*vulnerability["fix_versions"], "-"][0],
            )


def print_table(rows):
    """Prints `rows` of strings below COLUMNS, each column as wide as its widest."""
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        print("  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirements", nargs="+", help="the files of pins")
    parser.add_argument("--accepted", required=True, help="a file of what is known and accepted, with reasons")
    args = parser.parse_args()

    accepted = read_accepted(args.accepted)
    found = []  # (advisory, what it is accepted as or None)
    for path in args.requirements:
        pins = read_pins(path)
        rows = []
        for package, version, names, fixed in read_report(path, pins, ask_pip_audit(path)):
            reason = next((name for name in (*names, f"{package}=={version}") if name in accepted), None)
            rows.append((package, version, names[0], fixed, reason or "-"))
            found.append((names[0], reason))
        print(f"{path}: {len(pins)} packages, known vulnerabilities: {len(rows)}", flush=True)
        if rows:
            print_table(rows)
    for what in sorted({reason for _, reason in found if reason}):
        print(f"accepted: {what}: {accepted[what]}")
    print(f"{len(found)} known vulnerabilities, {sum(reason is not None for _, reason in found)} of them accepted")
    if new := sorted({name for name, reason in found if not reason}):
        sys.exit(f"{', '.join(new)}: move to a version without, or accept with a reason in {args.accepted}")


if __name__ == "__main__":
    run(main)
