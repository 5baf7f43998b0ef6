"""What `python -m bench` and `python -m bench.serve` have in common: their options, their measurements, their files."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from report.page import write


def build_parser(prog, description):
    """Returns an ArgumentParser with the build, where to write, and how often to measure."""
    parser = argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the build")
    parser.add_argument("--output_dir", type=Path, required=True, help="where to write")
    parser.add_argument("--repeats", type=int, required=True, help="how often to measure each contender")
    return parser


def run_module(what, environment, *arguments, **options):
    """Runs a Python module in an environment of .tox; returns its output.

    Raises: SystemExit, with `what` and the last line of its stderr, if it fails.
    """
    command = [f".tox/{environment}/bin/python", "-m", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"bench: {what}: {(done.stderr.strip() or f'exit code {done.returncode}').splitlines()[-1]}")
    return done.stdout


def run_json(what, environment, *arguments, **options):
    """As run_module; returns the dict that the last line of the output is."""
    return json.loads(run_module(what, environment, *arguments, **options).splitlines()[-1])


def write_results(folder, name, text, results):
    """Writes NAME.md and NAME.json, of a dict, into a folder that is made for them."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{name}.md", text)
    write(folder / f"{name}.json", json.dumps(results, indent=2) + "\n")
