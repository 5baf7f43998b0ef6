"""Runs the repository's modules and scripts as Make does. On Python 3.7 as well."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command, **options):
    """Runs a module or script in the environment of the test; returns the finished process, its output as text."""
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, cwd=str(ROOT), capture_output=True, text=True, **options)


def fails(*command, **options):
    """Runs a module that must fail; returns what it printed to stderr, which must be one line besides bars."""
    done = run(*command, **options)
    assert done.returncode > 0, done.stdout
    (line,) = [line for line in done.stderr.splitlines() if line and "B/s]" not in line and "0.00B" not in line]
    return line
