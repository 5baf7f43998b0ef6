"""Lists the known vulnerabilities of the environments' pins; Make runs it in the audit environment.

    python audit.py requirements/*.txt                             as PyPI knows them, through pip-audit
    python audit.py --advisories=all.zip requirements/*.txt        as a file does, where the network is closed

Exits with 1 if there is one that --accepted gives no reason for.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, canonicalize_version
from packaging.version import InvalidVersion, Version

from inputs.archive import MAX_TEXT, open_zip, read_member
from inputs.script import run

COLUMNS = ("package", "version", "advisory", "fixed in", "accepted as")
MAX_ADVISORIES = 1 << 30  # bytes, unpacked


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


def read_advisories(path):
    """Returns the advisories (dicts) in an OSV file: .json, one or a list of them, or a .zip of such, as OSV offers.

    Source of the format: https://ossf.github.io/osv-schema
    """
    try:
        found = [json.loads(data) for data in read_json_files(path)]
        advisories = [advisory for one in found for advisory in (one if isinstance(one, list) else [one])]
        if not all(is_advisory(advisory) for advisory in advisories):
            sys.exit(f"{path}: not a file of advisories in OSV's format: there is one without an id")
        known = [advisory for advisory in advisories if not advisory.get("withdrawn")]
    except (OSError, ValueError, RecursionError) as error:
        sys.exit(f"{path}: not a file of advisories: {error}")
    if not known:
        sys.exit(f"{path}: no advisories in it")
    return known


def read_json_files(path):
    """Yields the bytes of a file, or of each .json in a zip; raises ValueError if one or all of them are too large."""
    with open(path, "rb") as file:
        if (start := file.read(2)) != b"PK":
            yield start + file.read(MAX_ADVISORIES)
            return
    left = MAX_ADVISORIES
    with open_zip(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield (data := read_member(archive, name, min(left, MAX_TEXT)))
                left -= len(data)


def is_advisory(value):
    """Tells whether a value of JSON is an advisory as far as its names go."""
    names = [value.get("id"), *(value.get("aliases") or [])] if isinstance(value, dict) else [None]
    return all(isinstance(name, str) and name and name.isprintable() for name in names)


def is_affected(version, affected):
    """Whether `version` is among an advisory's affected versions, listed or in a range, as OSV's schema has it."""
    if canonicalize_version(version) in map(canonicalize_version, affected.get("versions", [])):
        return True
    for scope in affected.get("ranges", []):
        inside = False
        if scope["type"] == "ECOSYSTEM":
            events = [(Version(value), kind) for event in scope["events"] for kind, value in event.items()]
            for at, kind in sorted(events):
                if kind == "introduced" and Version(version) >= at:
                    inside = True
                elif kind == "fixed" and Version(version) >= at or kind == "last_affected" and Version(version) > at:
                    inside = False
        if inside:
            return True
    return False


def fixed_in(version, affected):
    """Returns the first later version in which a range of an advisory ends, or an empty string."""
    scopes = [scope for scope in affected.get("ranges", []) if scope["type"] == "ECOSYSTEM"]
    ends = [Version(event["fixed"]) for scope in scopes for event in scope["events"] if "fixed" in event]
    return str(min((end for end in ends if end > Version(version)), default=""))


def match(pins, advisories):
    """Yields (package, version, names of the advisory, fixed in) of every advisory that a pin is affected by."""
    for advisory in advisories:
        try:
            for affected in advisory.get("affected", []):
                package = canonicalize_name(affected["package"]["name"])
                version = pins.get(package)
                if version and affected["package"]["ecosystem"] == "PyPI" and is_affected(version, affected):
                    yield package, version, [advisory["id"], *advisory.get("aliases", [])], fixed_in(version, affected)
        except InvalidVersion as error:
            sys.exit(f"{advisory['id']}: {error}: compare {package} {version} with it by hand, and take it out")
        except (AttributeError, KeyError, TypeError, ValueError):
            sys.exit(f"{advisory['id']}: not in OSV's format: correct it, or take it out")


def ask_pypi(path):
    """Returns pip-audit's report (a dict) on the requirements file at `path`, from PyPI's JSON API."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--vulnerability-service=pypi"]
    command += ["--format=json", "--desc=off", "--aliases=on", "--progress-spinner=off"]
    run = subprocess.run([*command, f"--requirement={path}"], capture_output=True, text=True)
    try:
        return json.loads(run.stdout)
    except ValueError:
        last = (run.stderr.strip().splitlines() or ["pip-audit failed"])[-1]
        sys.exit(f"PyPI could not be asked: {last}: give advisories in a file, with ADVISORIES=")


def read_report(path, pins, report):
    """Yields what `match` does, of pip-audit's report on the `pins` of the file at `path`.

    Raises: SystemExit if there are pins it did not look up: pip-audit calls those skipped, and is content.
    """
    answers = {canonicalize_name(answer["name"]): answer for answer in report["dependencies"]}
    unknown = [name for name in pins if "vulns" not in answers.get(name, {})]
    if unknown:
        sys.exit(
            f"{path}: PyPI says nothing about {len(unknown)} of {len(pins)} packages, such as {unknown[0]} "
            f"{pins[unknown[0]]}: give advisories in a file, with ADVISORIES="
        )
    for name, version in pins.items():
        for vulnerability in answers[name]["vulns"]:
            fixes = vulnerability["fix_versions"]
            yield name, version, [vulnerability["id"], *vulnerability["aliases"]], fixes[0] if fixes else ""


def merge(found):
    """Returns what `match` yields, sorted, and what has a name in common as one: databases repeat each other."""
    merged = []
    for package, version, names, fixed in sorted(found):
        for other in merged:
            if other[:2] == (package, version) and set(other[2]) & set(names):
                other[2].extend(name for name in names if name not in other[2])
                break
        else:
            merged.append((package, version, list(names), fixed))
    return merged


def print_table(rows):
    """Prints `rows` of strings below COLUMNS, each column as wide as its widest."""
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        print("  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirements", nargs="+", help="the files of pins")
    parser.add_argument("--advisories", help="a file in OSV's format, instead of PyPI")
    parser.add_argument("--accepted", required=True, help="a file of what is known and accepted, with reasons")
    args = parser.parse_args()

    accepted = read_accepted(args.accepted)
    advisories = read_advisories(args.advisories) if args.advisories else None
    total, unaccepted, used, new = 0, 0, set(), set()
    for path in args.requirements:
        pins = read_pins(path)
        found = merge(match(pins, advisories) if advisories else read_report(path, pins, ask_pypi(path)))
        print(f"{path}: {len(pins)} packages, known vulnerabilities: {len(found)}", flush=True)
        rows = []
        for package, version, names, fixed in found:
            reasons = [name for name in (*names, f"{package}=={version}") if name in accepted]
            rows.append((package, version, names[0], fixed or "-", (reasons or ["-"])[0]))
            used.update(reasons[:1])
            new.update(() if reasons else (names[0],))
            unaccepted += not reasons
        if rows:
            print_table(rows)
        total += len(rows)
    for what in sorted(used):
        print(f"accepted: {what}: {accepted[what]}")
    print(f"by {f'{len(advisories)} advisories in {args.advisories}' if advisories else 'PyPI'}: ", end="")
    print(f"{total} known vulnerabilities, {total - unaccepted} of them accepted")
    if new:
        sys.exit(f"{', '.join(sorted(new))}: move to a version without, or accept with a reason in {args.accepted}")


if __name__ == "__main__":
    run(main)
