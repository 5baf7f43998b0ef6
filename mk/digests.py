"""SHA-256 of files, remembered as git's index does: a file of the same size, inode and times is not read again.

Runs in the tools environment, standard library only.
"""

import contextlib
import glob
import hashlib
import os
import sqlite3
import time

CHECKOUT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
RECORD = ".record.json"
BEGUN = ".begun.json"
EARLIER = "earlier"  # the folder of older results that were moved aside
SHOWN = 1 << 28  # bytes from which a progress bar is worth it
SETTLED = 1e9  # ns since a file's last change; one that has just changed may change again with the same times


def walk(folder):
    """Yields the files below a folder in a set order, but for what is half-made, moved aside, OpenVINO's and Make's."""
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:  # a link back would lead round and round
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.endswith((".part", ".cache")) and name != EARLIER)
        for path in (os.path.join(parent, name) for name in sorted(names)):
            if os.path.isfile(path) and not path.endswith((".part", BEGUN)):
                yield path


def expand(path):
    """Returns the list of files that a path stands for; empty if there are none.

    A folder stands for all below it; `model.ckpt-N` or its .index for the checkpoint; saved_model.pb for its module.
    """
    if os.path.basename(path) == "saved_model.pb":
        path = os.path.dirname(path)
    if os.path.isdir(path):
        return [file for file in walk(path) if not file.endswith(RECORD)]
    prefix = path.removesuffix(".index")
    if os.path.isfile(path) and prefix == path:
        return [path]
    ends = (".index", ".data-?????-of-?????", ".meta")
    index, data, meta = (sorted(glob.glob(glob.escape(prefix) + end)) for end in ends)
    return index + data + meta if index and data else []


def name_of(path):
    """Returns a path as records have it: absolute, or relative to the checkout if it is in it, which so can move."""
    return os.path.abspath(path).removeprefix(CHECKOUT + os.sep)


def path_of(name):
    """Returns the path of a file from anywhere, by its name in a record."""
    return os.path.join(CHECKOUT, name)


@contextlib.contextmanager
def open_cache():
    """Yields a connection to the table of digests in the file SHA256_CACHE, or None: nothing depends on it."""
    path = os.environ.get("SHA256_CACHE")
    connection = None
    if path:
        with contextlib.suppress(sqlite3.Error, OSError):
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            connection = sqlite3.connect(path, timeout=10)
            try:
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("CREATE TABLE IF NOT EXISTS digests (path PRIMARY KEY, stat, sha256)")
            except sqlite3.DatabaseError:  # not a database any more
                connection.close()
                connection = None
                os.unlink(path)
    try:
        yield connection
    finally:
        if connection:
            with contextlib.suppress(sqlite3.Error):
                connection.commit()
            connection.close()


def describe(status):
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def look_up(cache, path, status):
    with contextlib.suppress(sqlite3.Error):
        row = (
            cache and cache.execute("SELECT stat, sha256 FROM digests WHERE path = ?", (os.fsencode(path),)).fetchone()
        )
        if row and row[0] == describe(status):
            return row[1]
    return None


def keep(cache, path, status, sha256):
    if cache and time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED:
        with contextlib.suppress(sqlite3.Error):
            cache.execute("REPLACE INTO digests VALUES (?, ?, ?)", (os.fsencode(path), describe(status), sha256))


def digests(paths, cached=True):
    """Returns {name as records have it: SHA-256, None if unreadable}.

    Args:
      paths: of files.
      cached: False to read every file, whatever its times say.
    """
    found, unknown = {}, []
    with open_cache() if cached else contextlib.nullcontext() as cache:
        for path in paths:
            found[name := name_of(path)] = None
            if os.path.isfile(path):  # a device or a pipe might never end
                absolute, status = os.path.abspath(path), os.stat(path)
                found[name] = look_up(cache, absolute, status)
                if not found[name]:
                    unknown.append((name, absolute, status))
        for name, absolute, status in progress(unknown):
            with contextlib.suppress(OSError), open(absolute, "rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
                keep(cache, absolute, status, found[name])
    return found


def progress(unknown):
    """Returns the same list, with a bar on a terminal if reading its files takes a while."""
    if sum(status.st_size for _, _, status in unknown) < SHOWN:
        return unknown
    from tqdm import tqdm

    return tqdm(unknown, desc="sha256", unit="file", delay=1, leave=False, disable=None)
