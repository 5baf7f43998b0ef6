"""Checksums of files, in every environment. Standard library only, on Python 3.7 as well."""

import hashlib

BLOCK = 1 << 24  # bytes; between two, other threads of Python have their turn


def sha256_of(path):
    """Returns the SHA-256 of a file, in hexadecimal.

    Raises: OSError if it can't be read.
    """
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            sha256.update(block)
    return sha256.hexdigest()
