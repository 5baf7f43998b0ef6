"""Applies each mutant of table.py to a copy of the checkout, and runs the tests until one of them fails.

`make mutants` calls this in the openvino environment. A failure counts if the same test passes without the mutant, and
is no broken program's: no syntax, name or import. Exits with 1 if a mutant survives, breaks or no longer applies.
"""

import argparse
import ast
import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from checkout import BUILT, clean_environment, copy_checkout, make
from modules import ROOT
from table import MUTANTS
from tqdm import tqdm

BROKEN = re.compile(r"\b(SyntaxError|IndentationError|NameError|ImportError|ModuleNotFoundError|collection failure)\b")
PATIENCE = 3600  # seconds for the tests of one job
MAKE_IN_COPIES = {
    "pipeline": ["tests/pipeline", "tests/faults"],
    "products": ["tests/products"],
}  # as mk/tests.mk has it


def pytest_arguments(job):
    """Returns (environment, paths and options of pytest) of a job of make check and test."""
    if job in MAKE_IN_COPIES:
        return "openvino", MAKE_IN_COPIES[job]
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    commands = tox[f"testenv:{job}"]["commands"].replace("\\\n", " ").split()
    return job, commands[commands.index("{posargs}") + 1 :]


def run_tests(checkout, job, marks, tests=None):
    """Runs the tests of a job, or those given, up to the first that fails.

    Returns: (exit status, node id of that test or None, what it says).
    """
    environment, arguments = pytest_arguments(job)
    report = checkout.with_suffix(".xml")
    report.unlink(missing_ok=True)
    command = [f".tox/{environment}/bin/python", "-m", "pytest", "--maxfail=1", f"--junitxml={report}", "-m", marks]
    process = subprocess.Popen(
        [*command, *(tests or arguments)],
        cwd=checkout,
        env=clean_environment(PYTHONPATH=".:mk", PYTHONWARNINGS="ignore", PYTHONUTF8="1", TF_CPP_MIN_LOG_LEVEL="3"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        status = process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    for case in ET.parse(report).iter("testcase"):
        for failure in (*case.iter("failure"), *case.iter("error")):
            path = case.get("classname").replace(".", "/") + ".py"
            return status, f"{path}::{case.get('name')}", f"{failure.get('message')}\n{failure.text}"
    return status, None, ""


def apply(mutant, checkout):
    """Changes the file of a mutant in a copy; exits if that no longer is what the mutant was made for."""
    path = checkout / mutant.path
    text = path.read_text()
    if (count := text.count(mutant.old)) != 1:
        sys.exit(f"{mutant.name}: no longer applies: {mutant.path} has its piece {count} times: mend tests/mutants")
    path.write_text(text.replace(mutant.old, mutant.new))
    if path.suffix == ".py":
        ast.parse(path.read_text())


def find_killer(mutant, loops, folder):
    """Returns (loop, job, node id of the test that fails, what it says) of a mutant, or None if none does."""
    tries = [(mutant.loop, mutant.job, [mutant.tests])]
    tries += [(loop, job, None) for loop, (jobs, _) in loops.items() for job in jobs if job != "lint"]
    for loop, job, tests in tries:
        checkout = copy_checkout(folder / "mutant", build=ROOT / "build/tiny")
        try:
            apply(mutant, checkout)
            _, test, said = run_tests(checkout, job, loops[loop][1], tests)
        finally:
            shutil.rmtree(checkout)
        if test:
            return loop, job, test, said
    return None


def judge(mutant, loops, folder, right):
    """Returns (whether a mutant is killed as it should be, by what)."""
    killer = find_killer(mutant, loops, folder)
    if not killer:
        return False, "survives: no test fails"
    loop, job, test, said = killer
    if found := BROKEN.search(said):
        return False, f"breaks instead of being wrong: {found[0]} in {test}"
    status, _, _ = run_tests(right, job, loops[loop][1], [test])
    if status:
        return False, f"{test} fails without it too"
    return True, f"make {loop}, {job}: {test}"


def main():
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    for loop in ("check", "test"):
        parser.add_argument(f"--{loop}-jobs", nargs="+", required=True, help=f"of make {loop}")
        parser.add_argument(f"--{loop}-marks", required=True, help="pytest's -m")
    parser.add_argument("--pick", default="", help="only mutants with this in their names")
    args = parser.parse_args()
    loops = {"check": (args.check_jobs, args.check_marks), "test": (args.test_jobs, args.test_marks)}
    mutants = [mutant for mutant in MUTANTS if args.pick in mutant.name]
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the copies go
    make(ROOT, "-j2", *BUILT)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        right = copy_checkout(Path(name) / "right", build=ROOT / "build/tiny")
        for mutant in mutants:  # before any test is run
            apply(mutant, copy_checkout(Path(name) / "mutant", downloads=False))
            shutil.rmtree(Path(name) / "mutant")
        for mutant in tqdm(mutants, "mutants", unit="mutant", disable=None):
            killed, by = judge(mutant, loops, Path(name), right)
            tqdm.write(f"{mutant.name:38} {'killed by ' if killed else ''}{by}", file=sys.stdout)
            sys.stdout.flush()
            wrong += not killed
    if wrong:
        sys.exit(f"{wrong} of {len(mutants)} mutants are not killed: add the test that tells them from what is right")
    print(f"{len(mutants)} mutants, all killed")


if __name__ == "__main__":
    main()
