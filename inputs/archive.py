"""Reads members of zip and tar archives by name, each up to a size limit, without unpacking anything to disk.

So a member's path, a link or a device can do no harm, and the sizes that an archive states are compared with what comes
out of it. Standard library only, on Python 3.7 as well.
"""

import contextlib
import gzip
import io
import re
import stat
import tarfile
import zipfile

BLOCK = 1 << 20  # bytes
MAX_DIRECTORY = 1 << 24  # bytes of a zip's directory: some 200,000 members
MAX_HEADER = 1 << 20  # bytes of a tar's header, long names included
MAX_MEMBERS = 200_000  # of a tar; aclImdb_v1 has 100,000
MAX_TAR = 1 << 30  # bytes of a tar, decompressed; aclImdb_v1 has some 300 million
MAX_TEXT = 1 << 24  # bytes of a vocabulary, a configuration, an advisory


class BadArchive(ValueError):
    """An archive that is damaged, or not as expected; the message is one line, without the archive's path."""

    def __init__(self, message):
        # A member's name may contain line ends, or control sequences for a terminal.
        super().__init__("".join(char if char.isprintable() else "\ufffd" for char in message))


@contextlib.contextmanager
def errors_as_bad_archive():
    """Turns any exception inside it into BadArchive: on damaged bytes zipfile and tarfile raise almost anything."""
    try:
        yield
    except BadArchive:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadArchive(reason.splitlines()[0].rstrip(":")) from error


class LimitedReader:
    """A binary file that can't be read more than `most` bytes at a time, nor sought beyond its byte `end`."""

    def __init__(self, file, most, end=float("inf")):
        self.file, self.most, self.end, self.tell = file, most, end, file.tell

    def read(self, size=-1):
        data = self.file.read(size if 0 <= size <= self.most else self.most + 1)
        if len(data) > self.most:
            raise BadArchive(f"headers of more than {self.most} bytes")
        return data

    def seek(self, offset, whence=io.SEEK_SET):
        if offset > self.end:
            raise BadArchive(f"more than {self.end} bytes in it")
        return self.file.seek(offset, whence)

    def seekable(self):
        return True


@contextlib.contextmanager
def open_zip(path):
    """Opens a zip for member_blocks. Raises: BadArchive if it is not a zip, or has a member twice; OSError."""
    with open(path, "rb") as file:
        with errors_as_bad_archive():
            archive = zipfile.ZipFile(LimitedReader(file, MAX_DIRECTORY))
            names = archive.namelist()
            if len(names) != len(set(names)):
                raise BadArchive("a member is in it twice")
        yield archive


def member_blocks(archive, name, limit):
    """Yields the bytes of a zip's member in blocks of up to BLOCK.

    Raises: BadArchive if it is missing, not a regular file, larger than `limit` bytes, larger than the zip states,
      encrypted, damaged, or compressed by a method other than deflate.
    """
    with errors_as_bad_archive():
        info = archive.NameToInfo.get(name)
        if not info:
            raise BadArchive(f"no {name} in it")
        if info.is_dir() or stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BadArchive(f"{name} is not a regular file")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadArchive(f"{name} is neither stored nor deflated")
        if info.file_size > limit:
            raise BadArchive(f"{name} has {info.file_size} bytes, more than {limit}")
        member = archive.open(info)
    while True:
        with errors_as_bad_archive():
            block = member.read(BLOCK)  # never more in all than the zip states: a bomb then fails its CRC
        if not block:
            return
        yield block


def read_member(archive, name, limit=MAX_TEXT):
    """Returns the bytes of a zip's member. Raises: BadArchive, as member_blocks does."""
    return b"".join(member_blocks(archive, name, limit))


def check_end(reader, offset):
    """Raises BadArchive unless a tar ends at `offset`, with an empty block: tarfile also stops at a damaged header."""
    reader.seek(offset)
    if reader.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise BadArchive("it is truncated or damaged")
    reader.file.read(MAX_HEADER)  # up to the end, where gzip checks its checksum


def read_files(path, pattern, limit):
    """Reads those regular files of a tar or tar.gz in whose names the regular expression `pattern` is found.

    Yields: (the groups of the pattern, bytes), in the archive's order.
    Raises: BadArchive if the archive is damaged or truncated, has a file twice or one of more than `limit` bytes, or
      exceeds the limits above; OSError.
    """
    with open(path, "rb") as packed:
        file = packed
        if packed.read(2) == b"\x1f\x8b":
            file = gzip.GzipFile(fileobj=packed)
        packed.seek(0)
        with errors_as_bad_archive():
            reader = LimitedReader(file, MAX_HEADER, MAX_TAR)
            archive = tarfile.open(fileobj=reader, mode="r:")
        seen = set()
        for _ in range(MAX_MEMBERS):
            with errors_as_bad_archive():
                member = archive.next()
                if not member:
                    check_end(reader, archive.offset)
                    return
                archive.members.clear()  # or tarfile would keep them all in memory
                if member.size < 0:  # tarfile would seek backwards, and loop
                    raise BadArchive(f"{member.name} has {member.size} bytes")
                match = re.search(pattern, member.name)
                if not match or not member.isreg():
                    continue
                if member.size > limit:
                    raise BadArchive(f"{member.name} has {member.size} bytes, more than {limit}")
                if match.groups() in seen:
                    raise BadArchive(f"{member.name} is in it twice")
                seen.add(match.groups())
                data = archive.extractfile(member).read()
            yield match.groups(), data
        raise BadArchive(f"more than {MAX_MEMBERS} members")
