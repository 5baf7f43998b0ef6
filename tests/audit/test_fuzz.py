"""Whatever the files hold, audit.py's readers answer or end with one line."""

import json
import zipfile

from hypothesis import example, given, settings
from hypothesis import strategies as st

import audit

settings.register_profile("ours", deadline=None, derandomize=True)
settings.load_profile("ours")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
EVENT = st.dictionaries(st.sampled_from(["introduced", "fixed", "last_affected", "limit"]), JSON | st.just("1.0"))
RANGE = st.fixed_dictionaries({"type": st.just("ECOSYSTEM") | JSON, "events": st.lists(EVENT, max_size=4) | JSON})
PACKAGE = st.just({"name": "film", "ecosystem": "PyPI"}) | JSON
VERSIONS = st.lists(JSON | st.just("1.0")) | JSON
RANGES = st.lists(RANGE) | JSON
AFFECTED = st.fixed_dictionaries({"package": PACKAGE}, optional={"versions": VERSIONS, "ranges": RANGES})
ADVISORY = st.fixed_dictionaries(
    {"id": st.just("X-1") | JSON},
    optional={"aliases": st.lists(JSON), "affected": st.lists(AFFECTED) | JSON, "withdrawn": JSON},
)


def answer_or_line(read):
    """Returns what `read` does, or None if it ends with one line."""
    try:
        return read()
    except SystemExit as end:
        assert isinstance(end.code, str) and end.code and "\n" not in end.code
        return None


def spill(folder, data):
    path = folder / "input"
    path.write_bytes(data)
    return path


@given(st.lists(ADVISORY | JSON, max_size=3) | ADVISORY)
def test_any_json_is_read_as_advisories_or_refused(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    path = spill(folder, json.dumps(content).encode())
    advisories = answer_or_line(lambda: audit.read_advisories(path))
    for found in answer_or_line(lambda: list(audit.match({"film": "1.0"}, advisories or []))) or []:
        package, version, names, fixed = found
        assert (package, version) == ("film", "1.0") and isinstance(fixed, str)
        assert names and all(isinstance(name, str) for name in names)


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@example(b"PK\5\6" + bytes(18))
@example(b"PK\6\7\xff\xff\xff\xff" + bytes(12) + b"PK\5\6" + bytes(18))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = spill(tmp_path_factory.getbasetemp(), data)
    answer_or_line(lambda: audit.read_advisories(path))
    for values in (answer_or_line(lambda: audit.read_pins(path)), answer_or_line(lambda: audit.read_accepted(path))):
        assert all(isinstance(text, str) and text for item in (values or {}).items() for text in item)


@given(st.data())
def test_any_zip_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "input"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.json", json.dumps({"id": "X-1"}))
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    advisories = answer_or_line(lambda: audit.read_advisories(path))
    assert advisories in (None, [{"id": "X-1"}])
