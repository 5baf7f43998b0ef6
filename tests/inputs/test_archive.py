"""Archives that lie or are broken are refused in one line, and nothing in them is written anywhere."""

import gzip
import io
import os
import random
import re
import stat
import struct
import tarfile
import warnings
import zipfile

import pytest
from fuzzing import given, settings, st
from hostile import BIG, edited, zipped

from inputs import archive
from inputs.archive import BadArchive, open_zip, read_files, read_member
from inputs.reviews import ACLIMDB_FILE

pytestmark = pytest.mark.usefixtures("memory")


def twice(path):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")
        file.writestr("film.txt", b"good")
        file.writestr("film.txt", b"bad")
    return path


def bomb(path, said):
    """A zip whose member says that it has `said` bytes, and inflates to BIG."""
    zipped(path, data=bytes(BIG))
    return edited(path, (struct.pack("<I", BIG), struct.pack("<I", said)))


def crowded(path):
    """A zip whose directory is longer than it may be: 46 bytes and a name for each of its members."""
    name = b"x" * 60_000
    entry = b"PK\1\2" + bytes(24) + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    count = archive.MAX_DIRECTORY // len(entry) + 1
    with open(path, "wb") as file:
        for _ in range(count):
            file.write(entry)
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, count * len(entry), 0, 0))
    return path


ZIPS = {
    "another name": (lambda path: zipped(path, "book.txt"), "no film.txt in it"),
    "twice": (twice, "a member is in it twice"),
    "link": (lambda path: zipped(path, external_attr=stat.S_IFLNK << 16), "film.txt is not a regular file"),
    "device": (lambda path: zipped(path, external_attr=stat.S_IFCHR << 16), "film.txt is not a regular file"),
    "says too much": (lambda path: zipped(path, data=bytes(2000)), "film.txt has 2000 bytes, more than 1000"),
    "says too little": (lambda path: bomb(path, 100), "Bad CRC-32"),
    "bzip2": (lambda path: zipped(path, compression=zipfile.ZIP_BZIP2), "neither stored nor deflated"),
    "lzma": (lambda path: zipped(path, compression=zipfile.ZIP_LZMA), "neither stored nor deflated"),
    "unknown packing": (lambda path: edited(zipped(path), (b"\x08\0", b"\x63\0")), "neither stored nor deflated"),
    "encrypted": (lambda path: edited(zipped(path), (b"\x14\0\0\0\x08", b"\x14\0\1\0\x08")), "is encrypted"),
    "checksum": (lambda path: edited(zipped(path, data=b"good", compression=0), (b"good", b"goof")), "Bad CRC-32"),
    "cut": (lambda path: edited(zipped(path), (path.read_bytes()[-9:], b"")), "File is not a zip file"),
    "empty": (lambda path: path.write_bytes(b""), "File is not a zip file"),
    "garbage": (lambda path: path.write_bytes(random.Random(0).randbytes(9999)), "File is not a zip file"),
    "a long directory": (crowded, "headers of more than 16777216 bytes"),
}


@pytest.mark.parametrize("make, message", ZIPS.values(), ids=ZIPS)
def test_a_zip_that_lies_is_refused(make, message, memory, tmp_path):
    make(tmp_path / "film.zip")
    memory()
    with pytest.raises(BadArchive) as error, open_zip(tmp_path / "film.zip") as opened:
        read_member(opened, "film.txt", 1000)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["film.zip"]


@pytest.mark.parametrize("name", ["/film.txt", "../film.txt", "C:\\film.txt", "a/../../film.txt"])
def test_a_members_path_leads_nowhere(name, tmp_path):
    zipped(tmp_path / "film.zip", name)
    with open_zip(tmp_path / "film.zip") as opened:
        assert read_member(opened, name) == b"good"
    assert os.listdir(tmp_path) == ["film.zip"]


def test_a_members_name_is_said_in_one_line_and_tells_the_terminal_nothing(tmp_path):
    zipped(tmp_path / "film.zip", "film\n\x1b[2J.txt", bytes(2000))
    with pytest.raises(BadArchive) as error, open_zip(tmp_path / "film.zip") as opened:
        read_member(opened, opened.namelist()[0], 1000)
    assert str(error.value) == "film\ufffd\ufffd[2J.txt has 2000 bytes, more than 1000"


REVIEW = "aclImdb/train/pos/1_9.txt"


def member(name=REVIEW, data=b"good", **attributes):
    """Returns (TarInfo, bytes)."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def tarred(path, *members, mode="w:gz", **options):
    with tarfile.open(path, mode, **options) as file:
        for info, data in members:
            file.addfile(info, io.BytesIO(data))


def raw_tar(path, *blocks, packed=True):
    with gzip.open(path, "wb") if packed else open(path, "wb") as file:
        for block in blocks:
            file.write(block)


def headers(count):
    """Yields the bytes of a tar of so many empty members, in blocks."""
    block = member("x", b"")[0].tobuf() * 1000
    for _ in range(count // 1000):
        yield block
    yield bytes(1024)


def numbered(size, name=REVIEW):
    """Returns the header of a file that says it has so many bytes, in tar's way for large and negative ones."""
    info = member(name)[0]
    buffer = bytearray(info.tobuf())
    buffer[124:136] = (size % (1 << 96)).to_bytes(12, "big") if size < 0 else b"\x80" + size.to_bytes(11, "big")
    buffer[148:156] = b"%06o\0 " % (sum(buffer[:148]) + 8 * 32 + sum(buffer[156:]))
    return bytes(buffer)


def sparse(path):
    """A review of a terabyte, all of it a hole."""
    pax = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": REVIEW,
        "GNU.sparse.realsize": "1" + "0" * 12,
    }
    tarred(path, member(data=b"0\n" + bytes(510), pax_headers=pax), format=tarfile.PAX_FORMAT)


def ends_at(path, count):
    path.write_bytes(path.read_bytes()[:count])


def cut_tar(path, packed):
    tarred(path, member(), member(REVIEW.replace("1_9", "2_9")), mode="w:gz" if packed else "w")
    ends_at(path, len(path.read_bytes()) - 10 if packed else 1024 + 100)


def spoilt_tar(path):
    tarred(path, member(), member(REVIEW.replace("1_9", "2_9")), mode="w")
    edited(path, (b"train/pos/2_9", b"train/pos/3_9"))


TARS = {
    "twice": (lambda path: tarred(path, member(), member("./" + REVIEW, b"bad")), "is in it twice"),
    "says too much": (lambda path: tarred(path, member(data=bytes(1001))), "has 1001 bytes, more than 1000"),
    "a terabyte": (lambda path: raw_tar(path, numbered(1 << 40), bytes(1024)), "bytes, more than 1000"),
    "a negative size": (lambda path: raw_tar(path, numbered(-512), bytes(1024)), "has -512 bytes"),
    "a hole": (sparse, "bytes, more than 1000"),
    "a long name": (
        lambda path: tarred(path, member("x" * (1 << 24), b""), format=tarfile.GNU_FORMAT),
        "headers of more than 1048576 bytes",
    ),
    "long pax headers": (
        lambda path: tarred(
            path, member("y", b"", pax_headers={"comment": "x" * (1 << 24)}), format=tarfile.PAX_FORMAT
        ),
        "headers of more than 1048576 bytes",
    ),
    "names of names": (
        lambda path: raw_tar(path, (member("x", b"", type=tarfile.GNUTYPE_LONGNAME)[0].tobuf()) * 5000, bytes(1024)),
        "recursion",
    ),
    "a bomb": (lambda path: raw_tar(path, numbered(1 << 40, "urls.txt"), bytes(1024)), "more than 1073741824"),
    "too many members": (lambda path: raw_tar(path, *headers(1_000_000)), "more than 20000 members"),
    "cut": (lambda path: cut_tar(path, True), "ended before"),
    "cut, not packed": (lambda path: cut_tar(path, False), "truncated or damaged"),
    "a broken header": (spoilt_tar, "truncated or damaged"),
    "checksum": (lambda path: (tarred(path, member()), edited(path, (path.read_bytes()[-8:], bytes(8)))), "CRC"),
    "bzip2": (lambda path: tarred(path, member(), mode="w:bz2"), "header"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "garbage": (lambda path: path.write_bytes(random.Random(0).randbytes(9999)), "header"),
    "packed garbage": (lambda path: path.write_bytes(b"\x1f\x8b" + random.Random(0).randbytes(9999)), ""),
}


@pytest.mark.parametrize("make, message", TARS.values(), ids=TARS)
def test_a_tar_that_lies_is_refused(make, message, memory, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 20_000)  # a tenth, for the test's own time
    make(tmp_path / "film.tar.gz")
    memory()
    with pytest.raises(BadArchive) as error:
        list(read_files(tmp_path / "film.tar.gz", ACLIMDB_FILE, 1000))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["film.tar.gz"]


def test_links_devices_and_pipes_of_a_tar_are_passed_over(tmp_path):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
    strange = [member(f"train/neg/{i}_1.txt", b"", type=kind, linkname="/etc/passwd") for i, kind in enumerate(kinds)]
    names = ("/train/pos/1_9.txt", "../../test/neg/1_1.txt", "train/pos/../../../2_9.txt")
    tarred(tmp_path / "film.tar.gz", *strange, *map(member, names))
    found = list(read_files(tmp_path / "film.tar.gz", ACLIMDB_FILE, 1000))
    assert found == [(("train", "pos", "1_9.txt"), b"good"), (("test", "neg", "1_1.txt"), b"good")]
    assert os.listdir(tmp_path) == ["film.tar.gz"]


@st.composite
def spoilt(draw, whole):
    """Draws the bytes of a file with some overwritten, and cut somewhere."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The bytes of a good zip, and of a good tar."""
    folder = tmp_path_factory.mktemp("archives")
    (folder / "1_9.txt").write_text("good " * 50)
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "1_9.txt", "1_9.txt")
    with tarfile.open(folder / "tar", "w") as archive:
        for polarity in ("pos", "neg"):
            archive.add(folder / "1_9.txt", f"train/{polarity}/1_9.txt")
    return (folder / "zip").read_bytes(), (folder / "tar").read_bytes()


@pytest.mark.more
@settings(max_examples=400)
@given(st.data())
def test_a_spoilt_zip_gives_the_member_or_is_refused(archives, path, data):
    path.write_bytes(data.draw(spoilt(archives[0])))
    try:
        with open_zip(path) as archive:
            assert read_member(archive, "1_9.txt", 1000) == b"good " * 50
    except BadArchive as error:
        assert "\n" not in str(error)


@pytest.mark.more
@settings(max_examples=400)
@given(st.data())
def test_a_spoilt_tar_gives_files_or_is_refused(archives, path, data):
    path.write_bytes(data.draw(spoilt(archives[1])))
    try:
        for names, found in read_files(path, ACLIMDB_FILE, 1000):
            assert re.fullmatch(r"train|test", names[0]) and len(found) <= 1000
    except BadArchive as error:
        assert "\n" not in str(error)
