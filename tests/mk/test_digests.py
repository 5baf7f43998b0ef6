"""Digests are of what is in a file now, with and without what is remembered of it."""

import hashlib

import pytest
from digests import digests


@pytest.mark.parametrize("cached", [True, False])
def test_they_are_the_sha256_of_the_content(cached, tmp_path, monkeypatch):
    monkeypatch.setenv("SHA256_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("digests.SETTLED", -1)  # what has just changed is remembered too
    path = tmp_path / "film.txt"
    for content in (b"", b"good", b"poor", b"good" * (1 << 20)):
        path.write_bytes(content)
        for _ in range(2):
            assert digests([path, tmp_path / "none"], cached) == {
                str(path): hashlib.sha256(content).hexdigest(),
                str(tmp_path / "none"): None,
            }
