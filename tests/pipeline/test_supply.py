"""Make installs nothing but what the pinned hashes are of, from an index that offers something else by that name."""

import hashlib
import re
import zipfile

import pytest
from checkout import ROOT, clean_environment, make, make_fails


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
