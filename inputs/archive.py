"""Members of zip and tar archives, each by its name and no larger than it may be; nothing is ever unpacked.

So a member's path, a link or a device leads nowhere, and what an archive claims of its sizes is held against what comes
out of it. Standard library only, on Python 3.7 as well.
"""

import contextlib
import gzip
import io
import re
import stat
import tarfile
import zipfile

BLOCK = 1 << 20
MAX_DIRECTORY = 1 << 24  # bytes of a zip's directory: some 200,000 members
MAX_HEADER = 1 << 20  # bytes of a tar's header, in which names may be long
MAX_MEMBERS = 200_000  # of a tar; aclImdb_v1 has 100,000
MAX_TAR = 1 << 30  # bytes of a tar, unpacked; aclImdb_v1 has some 300 million
MAX_TEXT = 1 << 24  # bytes of a vocabulary, a configuration, an advisory


class BadArchive(ValueError):
    """An archive that is broken, or has what ours have not; the message is one line, without its path."""

    def __init__(self, message):
        # A member's name may have line ends in it, or what a terminal obeys.
        super().__init__("".join(char if char.isprintable() else "\ufffd" for char in message))


@contextlib.contextmanager
def reading():
    """Turns whatever is raised inside into BadArchive: zipfile and tarfile let through what the bytes led them to."""
    try:
        yield
    except BadArchive:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadArchive(reason.splitlines()[0].rstrip(":")) from error


class Reader:
    """A binary file that refuses to be read in pieces of more than `most` bytes, or beyond its byte `end`."""

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
    """Opens a zip for member_blocks. Raises: BadArchive if it is none, or has a member twice; OSError."""
    with open(path, "rb") as file:
        with reading():
            archive = zipfile.ZipFile(Reader(file, MAX_DIRECTORY))
            names = archive.namelist()
            if len(names) != len(set(names)):
                raise BadArchive("a member is in it twice")
        yield archive


def member_blocks(archive, name, limit):
    """Yields the bytes of a zip's member in blocks.

    Raises: BadArchive if it is not there, is no plain file, is larger than `limit` bytes by what the zip says or by
      what comes out, is encrypted, packed in a way that hides how much comes out of a block, or broken.
    """
    with reading():
        info = archive.NameToInfo.get(name)
        if not info:
            raise BadArchive(f"no {name} in it")
        if info.is_dir() or stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BadArchive(f"{name} is no plain file")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadArchive(f"{name} is neither stored nor deflated")
        if info.file_size > limit:
            raise BadArchive(f"{name} has {info.file_size} bytes, more than {limit}")
        member = archive.open(info)
    while True:
        with reading():
            block = member.read(BLOCK)  # in all, never more than the zip says: a bomb's CRC then differs
        if not block:
            return
        yield block


def read_member(archive, name, limit=MAX_TEXT):
    """Returns the bytes of a zip's member. Raises: as member_blocks."""
    return b"".join(member_blocks(archive, name, limit))


def read_files(path, pattern, limit):
    """Reads a tar or tar.gz: its regular files under names in which `pattern` is found.

    Yields: (the groups of the pattern, bytes), in the archive's order.
    Raises: BadArchive if it is broken or cut off, has a file twice, or one of more than `limit` bytes, or is larger
      than the limits above; OSError.
    """
    with open(path, "rb") as packed:
        file = packed
        if packed.read(2) == b"\x1f\x8b":
            file = gzip.GzipFile(fileobj=packed)
        packed.seek(0)
        with reading():
            reader = Reader(file, MAX_HEADER, MAX_TAR)
            archive = tarfile.open(fileobj=reader, mode="r:")
        seen = set()
        for _ in range(MAX_MEMBERS):
            with reading():
                member = archive.next()
                if not member:  # a broken header is the end for tarfile, too
                    reader.seek(archive.offset)
                    if reader.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                        raise BadArchive("it is cut off, or broken in the midst")
                    reader.file.read(MAX_HEADER)  # gzip's checksum stands at the end
                    return
                archive.members.clear()  # it would keep them all
                if member.size < 0:  # tarfile would go back, and round
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
