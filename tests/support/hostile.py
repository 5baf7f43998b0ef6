"""What tests of files that lie or are broken share."""

import tracemalloc
import zipfile

import pytest

BIG = 1 << 27
MEMORY = 1 << 26  # bytes that refusing may take


@pytest.fixture
def memory():
    """Fails a test in which Python held more than MEMORY at once, beside what the test itself made before."""
    tracemalloc.start()
    yield tracemalloc.reset_peak
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY, peak


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A path that a test may write to, again and again."""
    return tmp_path_factory.mktemp("fuzz") / "input"


def zipped(path, name="film.txt", data=b"good", compression=zipfile.ZIP_DEFLATED, **attributes):
    """Writes a zip of one member."""
    with zipfile.ZipFile(path, "w", compression) as file:
        info = zipfile.ZipInfo(name)
        info.compress_type = compression
        for key, value in attributes.items():
            setattr(info, key, value)
        file.writestr(info, data)
    return path


def edited(path, *changes):
    """Replaces bytes of a file, each of which must be in it."""
    data = path.read_bytes()
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)
    return path
