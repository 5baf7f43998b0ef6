"""Checksums of files, in every environment. Standard library only, on Python 3.7 as well."""

import hashlib

BLOCK = 1 << 24  # bytes; after each one, it may have to wait for other threads of Python


def sha256_of(path):
    """Returns the SHA-256 of a file, in hexadecimal.

    Raises: OSError if it can't be read.
    """
    sha256, block = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with open(str(path), "rb", buffering=0) as file:
        for length in iter(lambda: file.readinto(block), 0):  # a new block each time would take as long as hashing it
            sha256.update(block[:length])
    return sha256.hexdigest()
