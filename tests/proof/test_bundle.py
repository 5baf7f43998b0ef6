"""A bundle: what is in it, the same bytes each time, validators' word, and what is none or lies."""

import io
import json
import re
import tarfile
from pathlib import Path

import pytest
import requests
import rocrate
import zstandard
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from records import record_stage, write_build, write_record
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings

from proof import bundle as bundles
from proof.build import Build
from proof.crate import METADATA

TINY = "build/bundle/tiny.tar.zst"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A small checkout to work in, with a build and a bundle of it."""
    monkeypatch.chdir(write_build(tmp_path))
    bundles.pack("build/tiny", TINY)
    return tmp_path


def read_all(path):
    """Returns {name: bytes} of a bundle, by the standard tools alone."""
    with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        with tarfile.open(fileobj=io.BytesIO(stream.read())) as archive:
            return {member.name: archive.extractfile(member).read() for member in archive}


def test_results_records_and_pins_are_in_it_and_neither_weights_nor_reviews(checkout):
    names = {name.removeprefix("tiny/") for name in read_all(TINY)}
    assert {
        "build/tiny/result2/eval_results.txt",
        "build/tiny/result2.record.json",
        "build/tiny/predict/openvino.record.json",
        "build/tiny/predict/openvino.txt",
        "requirements/tf1.txt",
        "patches/disable-dropout.patch",
        "attestations/result2.intoto.json",
        "attestations/predict/openvino.intoto.json",
        METADATA,
    } <= names
    assert not [name for name in names if "ckpt" in name or ".jsonl" in name]


def test_answers_to_other_reviews_stay_out_as_they_quote_them(checkout):
    (checkout / "mine.txt").write_text("private\n")
    record_stage(checkout, "predict/openvino", ["mine.txt"], ["build/tiny/predict/openvino.txt"])
    bundles.pack("build/tiny", TINY)
    assert "tiny/build/tiny/predict/openvino.txt" not in read_all(TINY)


def test_the_comparison_quotes_test_reviews_of_a_corpus_alone(checkout):
    page, archive = "build/tiny/compare/compare.html", "build/downloads/corpus.tar.gz"
    for name in (page, archive):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text("somebody's own words")
    record_stage(checkout, "compare", ["build/tiny/result2/eval_results.txt"], [page])
    bundles.pack("build/tiny", TINY)
    assert f"tiny/{page}" not in read_all(TINY)
    record_stage(checkout, "reviews", [archive], ["build/tiny/reviews/test.jsonl"])
    bundles.pack("build/tiny", TINY)
    assert f"tiny/{page}" in read_all(TINY) and f"tiny/{archive}" not in read_all(TINY)


def test_the_same_build_gives_the_same_bytes_later_too(checkout):
    before = Path(TINY).read_bytes()
    for path in checkout.rglob("*"):
        path.touch()
    bundles.pack("build/tiny", "build/other.tar.zst")
    assert Path("build/other.tar.zst").read_bytes() == before
    with open(TINY, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        with tarfile.open(fileobj=io.BytesIO(stream.read())) as archive:
            assert {(each.mtime, each.uid, each.uname, each.mode) for each in archive} == {(bundles.TIME, 0, "", 0o644)}


@pytest.mark.more
def test_it_is_an_ro_crate_to_its_validator(checkout, monkeypatch):
    bundles.unpack(TINY, "unpacked")

    def send(self, request, **options):
        """Answers with the context that rocrate itself ships, instead of w3id.org."""
        assert request.url == "https://w3id.org/ro/crate/1.3/context"
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        answer._content = Path(rocrate.__file__).with_name("data").joinpath("ro-crate.jsonld").read_bytes()
        answer.headers["Content-Type"] = "application/ld+json"
        answer.raw = io.BytesIO(answer.content)
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    kind = {"profile_identifier": "ro-crate-1.3", "requirement_severity": Severity.REQUIRED, "no_cache": True}
    result = services.validate(ValidationSettings(rocrate_uri="unpacked", **kind))
    assert not result.has_issues(), [issue.message for issue in result.get_issues()]
    path = Path("unpacked", METADATA)
    crate = json.loads(path.read_text())
    crate["@graph"] = [each for each in crate["@graph"] if each["@id"] != "build/tiny/result2/eval_results.txt"]
    path.write_text(json.dumps(crate).replace('"datePublished"', '"dateModified"'))
    assert services.validate(ValidationSettings(rocrate_uri="unpacked", **kind)).has_issues()


def test_each_record_is_a_statement_to_in_toto(checkout):
    content = read_all(TINY)
    statements = [json.loads(data) for name, data in content.items() if name.endswith(".intoto.json")]
    assert len(statements) == 3
    for statement in statements:
        Statement.copy_from_pb(ParseDict(statement, statement_pb2.Statement())).validate()
        ParseDict(statement["predicate"], provenance_pb2.Provenance())
    record = json.loads(content["tiny/build/tiny/result2.record.json"])
    statement = json.loads(content["tiny/attestations/result2.intoto.json"])
    assert {each["name"]: each["digest"]["sha256"] for each in statement["subject"]} == record["outputs"]
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = statement["predicate"]["buildDefinition"]
    read = {each["name"]: each["digest"] for each in definition["resolvedDependencies"] if "name" in each}
    read = {name: found["sha256"] for name, found in read.items() if name != "checkout"}
    assert read == record["inputs"]
    assert {"uri": "pkg:pypi/numpy@1.26.4"} in definition["resolvedDependencies"]
    assert definition["externalParameters"]["command"] == record["parameters"]
    assert statement["predicate"]["runDetails"]["metadata"]["startedOn"] == "2026-11-26T10:57:33.256Z"


def test_a_whole_bundle_is_verified(checkout, capsys):
    bundles.check(TINY, "build/tiny")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "3 records, 4 files that they made, 2 of them in it: all as recorded"
    )
    assert not list(Path("build").glob("verify-*"))


@pytest.mark.parametrize(
    "change", [{"git_commit": ["x"]}, {"cores": {"a": {1: 2}}}, {"start": "yesterday"}, {"packages": {"numpy": 1}}]
)
def test_a_record_that_makes_no_statement_is_told(change, checkout):
    path = Path("build/tiny/reviews.record.json")
    content = read_all(TINY)
    write_record(path, json.loads(path.read_text()) | change)
    content["tiny/build/tiny/reviews.record.json"] = path.read_bytes()
    Path("forged.tar.zst").write_bytes(forged(with_crate(content)))
    with pytest.raises(SystemExit, match="reviews.intoto.json: does not say what"):
        bundles.check("forged.tar.zst", "build/tiny")


def forged(content):
    """Returns a bundle with this {name: bytes}, and with a crate that fits it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return zstandard.ZstdCompressor().compress(stream.getvalue())


def with_crate(content):
    """Puts the digests that files have now into the crate of {name: bytes}."""
    crate = json.loads(content[f"tiny/{METADATA}"])
    for each in crate["@graph"]:
        if "sha256" in each:
            each["sha256"] = bundles.hashlib.sha256(content[f"tiny/{each['@id']}"]).hexdigest()
    return content | {f"tiny/{METADATA}": json.dumps(crate).encode()}


RESULTS, RECORD = "tiny/build/tiny/result2/eval_results.txt", "tiny/build/tiny/result2.record.json"


@pytest.mark.parametrize(
    "name, told",
    [
        (RESULTS, "build/tiny/result2/eval_results.txt: is not as result2 made it"),
        ("tiny/requirements/tf1.txt", "requirements/tf1.txt: is not as result2 read it"),
        ("tiny/attestations/reviews.intoto.json", "attestations/reviews.intoto.json: does not say what"),
    ],
)
def test_what_does_not_fit_its_record_is_told(name, told, checkout):
    content = read_all(TINY)
    Path("forged.tar.zst").write_bytes(forged(with_crate(content | {name: content[name] + b" "})))
    with pytest.raises(SystemExit) as exit:
        bundles.check("forged.tar.zst", "build/tiny")
    assert told in exit.value.code and exit.value.code.endswith(": 1 differences")


def test_records_that_contradict_each_other_are_told(checkout):
    record = json.loads(Path("build/tiny/predict/openvino.record.json").read_text())
    record["inputs"]["build/tiny/result2/model.ckpt-1.index"] = 64 * "0"
    write_record("build/tiny/predict/openvino.record.json", record)
    bundles.pack("build/tiny", TINY)
    with pytest.raises(SystemExit, match="model.ckpt-1.index: is not as predict/openvino read it"):
        bundles.check(TINY, "build/tiny")


def archive(*members):
    """Returns the bytes of a bundle with these (TarInfo, bytes)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return zstandard.ZstdCompressor().compress(stream.getvalue())


def link(name, target, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return archive((member, b""))


def named(name):
    return lambda whole: archive((tarfile.TarInfo(name), b"x"))


def bomb(whole):
    """Files of zeros, each small enough, far more than a bundle may hold."""
    zeros = bytes(1 << 24)
    return archive(*((tarfile.TarInfo(f"tiny/zeros{number}"), zeros) for number in range(8)))


def large(whole):
    member = tarfile.TarInfo("tiny/large")
    member.size = 1 << 40
    return zstandard.ZstdCompressor().compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


@pytest.mark.parametrize(
    "spoil, told",
    [
        (lambda whole: whole[: len(whole) // 2], "cut"),
        (lambda whole: whole[:-1], "cut"),
        (lambda whole: whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], "damaged"),
        (lambda whole: whole + b"more", "something behind its end"),
        (lambda whole: whole + whole, "something behind its end"),
        (lambda whole: b"", "cut"),
        (lambda whole: b"PK\3\4 a zip", "not a bundle"),
        (lambda whole: zstandard.ZstdCompressor().compress(b"no tar" * 500), "not a bundle"),
        (named("tiny/../../escaped"), "a file named"),
        (named("../escaped"), "a file named"),
        (named("/tmp/escaped"), "a file named"),
        (named("tiny//escaped"), "a file named"),
        (named("tiny/a\nb"), "a file named"),
        (named("tiny"), "a file named"),
        (lambda whole: link("tiny/link", "/etc", tarfile.SYMTYPE), "no plain file"),
        (lambda whole: link("tiny/link", "tiny/Makefile", tarfile.LNKTYPE), "no plain file"),
        (lambda whole: link("tiny/pipe", "", tarfile.FIFOTYPE), "no plain file"),
        (lambda whole: archive(*2 * [(tarfile.TarInfo("tiny/twice"), b"x")]), "a file named"),
        (lambda whole: archive((tarfile.TarInfo("tiny/a"), b""), (tarfile.TarInfo("tiny/a/b"), b"")), "one name twice"),
        (named("tiny/only"), METADATA),
        (bomb, "more than 64 MB"),
        (large, "more than 256 MB"),
    ],
)
def test_what_is_no_bundle_is_one_clear_line_and_leaves_nothing(spoil, told, checkout, monkeypatch):
    monkeypatch.setattr(bundles, "MAX_TOTAL", 1 << 26)
    Path("spoilt.tar.zst").write_bytes(spoil(Path(TINY).read_bytes()))
    before = sorted(checkout.rglob("*"))
    with pytest.raises(SystemExit) as exit:
        bundles.unpack("spoilt.tar.zst", "unpacked")
    assert re.match(r"spoilt\.tar\.zst: .*", exit.value.code) and "\n" not in exit.value.code
    assert told in exit.value.code
    assert sorted(checkout.rglob("*")) == before and not Path("/tmp/escaped").exists()


def test_too_many_files_are_refused(checkout, monkeypatch):
    monkeypatch.setattr(bundles, "MAX_FILES", 3)
    with pytest.raises(SystemExit, match="more than 3 files"):
        bundles.unpack(TINY, "unpacked")


def test_a_bundle_of_another_version_is_one_clear_line(checkout):
    content = read_all(TINY)
    content[f"tiny/{METADATA}"] = content[f"tiny/{METADATA}"].replace(b'"version": "1"', b'"version": "2"')
    Path("other.tar.zst").write_bytes(forged(content))
    with pytest.raises(SystemExit, match="a bundle of version 2, not 1: use the checkout that made it"):
        bundles.unpack("other.tar.zst", "unpacked")


@pytest.mark.parametrize(
    "change, told",
    [
        ({"parameters": None}, "of another version, without parameters"),
        ({"modules": None}, "of another version, without modules"),
        ({"outputs": {"build/other/x": "0"}}, "its records are of build/other, not of build/tiny"),
        ({"outputs": {"../x": "0"}}, "names what is no file"),
    ],
)
def test_records_of_another_version_or_build_are_one_clear_line(change, told, checkout):
    path = Path("build/tiny/result2.record.json")
    write_record(path, json.loads(path.read_text()) | change)
    with pytest.raises(SystemExit, match=told):
        Build("build/tiny", "build/tiny", True)


def test_a_record_edited_by_hand_is_one_clear_line(checkout):
    path = Path("build/tiny/result2.record.json")
    path.write_text(path.read_text().replace("EPYC", "Epic"))
    with pytest.raises(SystemExit, match="edited by hand"):
        Build("build/tiny", "build/tiny", True)
