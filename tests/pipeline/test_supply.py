"""Make installs nothing but what the pinned hashes are of, from an index that offers something else by that name."""

import functools
import hashlib
import http.server
import os
import re
import subprocess
import threading
import zipfile

import pytest
from checkout import ROOT, clean_environment, make, make_fails

TOOLS = ROOT / ".tox/tools/bin/python"
# Into what, what and how to install, and what else a shell may say to Python, tox and pytest.
HOW = {
    "UV_SYSTEM_PYTHON": "1",
    "UV_PROJECT_ENVIRONMENT": "/nowhere",
    "UV_CONSTRAINT": "/nowhere/constraints.txt",
    "UV_NO_BINARY": "1",
    "UV_PYTHON": "3.5",
    "UV_RESOLUTION": "lowest",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere",
    "PIP_CONSTRAINT": "/nowhere/constraints.txt",
    "PIP_NO_BINARY": ":all:",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSAFEPATH": "1",
    "PYTHONINSPECT": "1",
    "VIRTUAL_ENV": "/nowhere",
    "CONDA_PREFIX": "/nowhere",
    "TOX_OVERRIDE": "testenv.deps=/nowhere",
    "TOX_WORK_DIR": "/nowhere",
    "PYTEST_ADDOPTS": "--no-such-option",
    "STAGE": "production",
    "MAKEFLAGS": "-j3",
}


@pytest.fixture
def without_environments(bare):
    """A bare checkout whose .tox holds no environment, only the interpreters that Make has found."""
    (bare / ".tox").unlink()
    (bare / ".tox").mkdir()
    for path in (ROOT / ".tox").glob("python3.*.txt"):
        (bare / ".tox" / path.name).symlink_to(path)
    return bare


@pytest.fixture(params=["lint", "tools"])
def forged(request, without_environments, tmp_path):
    """An index whose one wheel bears the name of the first package an environment pins.

    Returns (checkout, environment, environment variables that make it the only index, the wheel's SHA-256).
    """
    checkout, environment = without_environments, request.param
    if environment != "tools":  # pip installs the tools, and uv, which is one of them, the others
        for name in ("tools", "tools.stamp"):
            (checkout / ".tox" / name).symlink_to(ROOT / ".tox" / name)
    pins = (checkout / "requirements" / f"{environment}.txt").read_text()
    name, version = re.match(r"(\S+)==(\S+)", pins).groups()
    wheel = tmp_path / "simple" / name / f"{name}-{version}-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        info = f"{name}-{version}.dist-info"
        archive.writestr("forged.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "forged.py,,\n")
    (tmp_path / "simple" / "index.html").write_text(f'<a href="{name}/{wheel.name}">{wheel.name}</a>')
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    index = f"file://{tmp_path}/simple"
    only = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": "/dev/null", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    only |= {"UV_DEFAULT_INDEX": index, "UV_NO_CONFIG": "1", "PIP_NO_CACHE_DIR": "1"}
    return checkout, environment, clean_environment(**only), hashlib.sha256(wheel.read_bytes()).hexdigest()


def pin(checkout, environment, line):
    """Leaves in an environment's pins only the first, with `line` for its hashes."""
    path = checkout / "requirements" / f"{environment}.txt"
    path.write_text(path.read_text().split(" ")[0] + line + "\n")


def installed(checkout):
    return list(checkout.glob(".tox/*/lib/python3.11/site-packages/forged.py"))


def test_a_package_with_another_hash_is_refused(forged):
    checkout, environment, variables, digest = forged
    output = make_fails(checkout, f".tox/{environment}.stamp", env=variables)
    assert re.search("hash mismatch|do not match the hashes", output, re.IGNORECASE) and digest in output
    assert not installed(checkout) and not (checkout / ".tox" / f"{environment}.stamp").exists()


def test_a_package_without_a_hash_is_refused(forged):
    checkout, environment, variables, _ = forged
    pin(checkout, environment, "")
    output = make_fails(checkout, f".tox/{environment}.stamp", env=variables)
    assert re.search("require-?hashes", output, re.IGNORECASE), output
    assert not installed(checkout) and not (checkout / ".tox" / f"{environment}.stamp").exists()


def test_the_same_package_with_its_own_hash_is_installed(forged):
    checkout, environment, variables, digest = forged
    pin(checkout, environment, f" --hash=sha256:{digest}")
    make(checkout, f".tox/{environment}.stamp", env=variables)
    assert installed(checkout)


@pytest.fixture
def index(forged, tmp_path):
    """That index by HTTP, and a home with no configuration in it. Yields forged's first three, the URL and the home."""
    checkout, environment, _, digest = forged
    pin(checkout, environment, f" --hash=sha256:{digest}")
    home = tmp_path / "home"
    (home / ".config/pip").mkdir(parents=True)
    (home / ".config/uv").mkdir()
    theirs = {name: value for name, value in clean_environment().items() if not name.startswith(("PIP_", "XDG_"))}
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{httpd.server_port}/simple"
        yield checkout, environment, theirs | {"HOME": str(home), "NO_PROXY": "127.0.0.1"}, url, home
        httpd.shutdown()


def test_what_the_shell_says_of_how_to_install_does_not_count_and_where_from_does(index):
    checkout, environment, variables, url, home = index
    variable = "PIP_INDEX_URL" if environment == "lint" else "UV_DEFAULT_INDEX"  # which is the other's
    make(checkout, f".tox/{environment}.stamp", env=variables | HOW | {variable: url})
    assert installed(checkout) == [checkout / f".tox/{environment}/lib/python3.11/site-packages/forged.py"]


def test_nor_does_what_a_configuration_says(index):
    checkout, environment, variables, url, home = index
    told = [f"index-url = {url}\n", f'[[index]]\nurl = "{url}"\ndefault = true\n']
    pip, uv = (told[0], "") if environment == "lint" else ("", told[1])
    (home / ".config/pip/pip.conf").write_text(
        f"[global]\n{pip}user = true\nno-binary = :all:\n[install]\nprefix = /x\n"
    )
    (home / ".config/uv/uv.toml").write_text(f"{uv}[pip]\nsystem = true\nno-binary = ['forged']\n")
    make(checkout, f".tox/{environment}.stamp", env=variables)
    assert installed(checkout) == [checkout / f".tox/{environment}/lib/python3.11/site-packages/forged.py"]


def test_without_a_home_caches_lie_in_tox(index):
    checkout, environment, variables, url, home = index
    variables |= {"HOME": "/proc/nope", "PIP_INDEX_URL": url}
    make(checkout, f".tox/{environment}.stamp", env=variables)
    assert installed(checkout) and (checkout / ".tox/.cache/uv").is_dir() == (environment == "lint")


def sources(home, **variables):
    """Returns the environment of what installs, by the variables of a shell and the configuration in a home."""
    only = {"PATH": os.environ["PATH"], "HOME": str(home), "PIP_CONFIG_FILE": os.devnull} | variables
    done = subprocess.run(
        [TOOLS, ROOT / "mk/packages.py", "env"], env=only, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0
    return {line.partition("=")[0]: line.partition("=")[2] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    "said, pip, uv",
    [
        ({"PIP_INDEX_URL": "a"}, {"INDEX_URL": "a"}, {"DEFAULT_INDEX": "a"}),
        ({"UV_INDEX_URL": "a"}, {"INDEX_URL": "a"}, {"DEFAULT_INDEX": "a"}),
        ({"UV_INDEX": "x=a b"}, {"EXTRA_INDEX_URL": "a b"}, {"INDEX": "x=a b"}),
        ({"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"}, {"INDEX_URL": "a"}, {"DEFAULT_INDEX": "b"}),
        ({"PIP_FIND_LINKS": "a b"}, {"FIND_LINKS": "a b"}, {"FIND_LINKS": "a,b"}),
        ({"UV_FIND_LINKS": "a,b"}, {"FIND_LINKS": "a b"}, {"FIND_LINKS": "a,b"}),
        ({"PIP_TRUSTED_HOST": "a"}, {"TRUSTED_HOST": "a"}, {"INSECURE_HOST": "a"}),
        ({"PIP_DEFAULT_TIMEOUT": "9"}, {"TIMEOUT": "9"}, {"HTTP_TIMEOUT": "9"}),
        ({"PIP_NO_INDEX": "1"}, {"NO_INDEX": "1"}, {"DEFAULT_INDEX": "file:///proc/no-index", "INDEX": ""}),
        ({"UV_OFFLINE": "1", "UV_CACHE_DIR": "/c"}, {}, {"OFFLINE": "1", "CACHE_DIR": "/c"}),
        (HOW, {}, {}),
    ],
)
def test_pip_and_uv_are_told_alike(said, pip, uv, tmp_path):
    told = sources(tmp_path, **{name: value for name, value in said.items() if not name.startswith("PYTHON")})
    assert {name[4:]: told[name] for name in told if name.startswith("PIP_")} == pip | {"CONFIG_FILE": os.devnull}
    assert {name[3:]: told[name] for name in told if name.startswith("UV_")} == uv | {"NO_CONFIG": "1"}


def test_a_certificate_and_a_proxy_reach_both(tmp_path):
    for said in ({"PIP_CERT": "/c.pem"}, {"SSL_CERT_FILE": "/c.pem"}, {"REQUESTS_CA_BUNDLE": "/c.pem"}):
        told = sources(tmp_path, **said)
        assert (told["PIP_CERT"], told["SSL_CERT_FILE"]) == ("/c.pem", "/c.pem")
    told = sources(tmp_path, PIP_PROXY="http://p:1")
    assert (told["PIP_PROXY"], told["ALL_PROXY"]) == ("http://p:1", "http://p:1")
