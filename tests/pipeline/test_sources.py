"""A source that fails is named, and the next one tried; what is made is the same, whichever it was."""

import json
import shutil

import pytest
from checkout import clean_environment, copy_checkout, make_fails, start
from sources import PLAYED, Played

SMALL = ["TRAIN_SIZE=24", "TEST_SIZE=16", "MAX_SEQ_LENGTH=32", "PROFILE=multilingual"]
ZIP, FOLDER = "multilingual_L-12_H-768_A-12.zip", "multilingual_L-12_H-768_A-12-huggingface"
TAR, PARQUET = "aclImdb_v1.tar.gz", "aclImdb_v1-huggingface"
HOSTS = {name: f"SOURCE=127.0.0.{number}" for name, (number, _) in PLAYED.items()}


@pytest.fixture
def played(tiny, tmp_path):
    (tmp_path / "played").mkdir()
    played = Played(tiny, tmp_path / "played")
    yield played
    played.leave()


@pytest.fixture
def checkout(played, bare):
    return played.give(bare)


def run(checkout, *arguments, fails=False):
    """Runs make without a proxy; returns all that it printed, but for progress bars."""
    environment = clean_environment(no_proxy="*")
    if fails:
        return make_fails(checkout, *arguments, env=environment)
    process = start(checkout, *arguments, env=environment)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    return stdout + "\n".join(line for line in stderr.splitlines() if "B/s]" not in line)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def asked_by(checkout, name):
    return json.loads((checkout / f"build/downloads/{name}.record.json").read_text())["command"][-2]


def lines_with(output, words):
    return [line for line in output.splitlines() if words in line]


def test_what_fails_is_named_and_the_next_is_used(played, checkout):
    google, stanford, theirs = (played.servers[name] for name in ("google", "stanford", "huggingface"))
    google.fault, stanford.fault = "forbidden", "login"
    output = run(checkout, "pretrained", "reviews", *SMALL)
    (line,) = lines_with(output, "HTTP status 403 Forbidden")
    assert line.startswith(f"{google.url}/bert_models/") and f": trying {theirs.url}/google-bert/" in line
    (line,) = lines_with(output, "a web page came, not an archive")
    assert line.startswith(f"{stanford.url}/~amaas/") and f": trying {theirs.url}/datasets/stanfordnlp/imdb/" in line
    assert asked_by(checkout, FOLDER).startswith(theirs.url) and asked_by(checkout, PARQUET).startswith(theirs.url)
    names = {path.name for path in (checkout / "build/downloads").iterdir()}
    assert names == {FOLDER, PARQUET, f"{FOLDER}.record.json", f"{PARQUET}.record.json"}
    record = json.loads((checkout / "build/multilingual/pretrained.record.json").read_text())
    assert f"build/downloads/{FOLDER}/model.safetensors" in record["inputs"] and "huggingface" in record["command"]


@pytest.mark.more
def test_all_that_follows_is_the_same_whichever_it_was(played, checkout):
    build = checkout / "build/multilingual"
    google, stanford = (played.servers[name] for name in ("google", "stanford"))
    google.fault, stanford.fault = "missing", "other"
    output = run(checkout, "features", *SMALL)
    assert lines_with(output, "HTTP status 404 Not Found") and lines_with(output, "inputs/checksums.txt expects")
    google.fault = stanford.fault = None  # both are back: what is there is used
    asked = [len(server.asked) for server in played.servers.values()]
    assert "Nothing to be done for 'features'" in run(checkout, "features", *SMALL)
    status = run(checkout, "status", *SMALL)
    assert f"{FOLDER} (pretrained): as recorded" in status and "features: as recorded" in status
    assert [len(server.asked) for server in played.servers.values()] == asked

    before = {name: contents(build / name) for name in ("pretrained", "reviews")}
    printed = run(checkout, "pretrained", *SMALL, HOSTS["google"]) + run(checkout, "reviews", *SMALL, HOSTS["stanford"])
    assert f"tf1.pretrained google build/downloads/{ZIP}" in printed and f"aclimdb build/downloads/{TAR}" in printed
    assert {name: contents(build / name) for name in before} == before
    assert asked_by(checkout, ZIP).startswith(google.url) and asked_by(checkout, TAR).startswith(stanford.url)
    assert "Nothing to be done for 'features'" in run(checkout, "features", *SMALL)  # the first of each is there now
    assert "all as recorded" in run(checkout, "verify", *SMALL)

    output = run(checkout, "sources", *SMALL)
    assert lines_with(output, "2 sources, the same weights") and lines_with(output, "2 sources, the same reviews: ")
    assert any(line.split() == ["bert/pooler/dense/kernel", "0"] for line in output.splitlines())
    shutil.rmtree(checkout / f"build/downloads/{PARQUET}")
    output = run(checkout, "sources", *SMALL, fails=True)
    assert f"of multilingual's sources build/downloads/{TAR} is there: get another with make reviews SOURCE=" in output
    assert "and one of 127.0.0.1:" in output


@pytest.mark.more
def test_a_module_that_cannot_be_had_is_made_of_the_checkpoint(played, checkout):
    played.servers["tfhub"].fault = "forbidden"
    given = [*SMALL[:-1], "PROFILE=uncased"]
    output = run(checkout, "features", *given)
    module = f"{played.servers['tfhub'].url}/google/bert_uncased_L-12_H-768_A-12/1"
    (line,) = lines_with(output, f"{module}: cannot download it (HTTP Error 403: Forbidden)")
    assert lines_with(output, "trying build/uncased/hub-module, made of the checkpoint")
    record = json.loads((checkout / "build/uncased/module.record.json").read_text())
    assert record["command"][-2] == "build/uncased/hub-module"
    assert "build/uncased/hub-module/saved_model.pb" in record["inputs"]
    asked = len(played.servers["tfhub"].asked)
    assert "Nothing to be done for 'features'" in run(checkout, "features", *given)
    assert len(played.servers["tfhub"].asked) == asked
    plan = run(checkout, "-n", "result1", *given)
    assert "--bert_hub_module_handle=build/uncased/hub-module " in plan


@pytest.mark.more
def test_offline_names_all_that_would_do(checkout):
    output = run(checkout, "pretrained", *SMALL, "OFFLINE=1", fails=True)
    (line,) = lines_with(output, "and OFFLINE=1")
    assert f"build/downloads/{ZIP} or build/downloads/{FOLDER}: is not there" in line


@pytest.mark.more
def test_a_mirror_has_the_folders_too(played, checkout, tmp_path):
    mirror = tmp_path / "mirror"
    for name, data in played.at_huggingface["uncased"].items():
        (mirror / FOLDER).mkdir(parents=True, exist_ok=True)
        (mirror / FOLDER / name).write_bytes(data)
    output = run(checkout, "pretrained", *SMALL, f"MIRROR={mirror}")
    assert f"{mirror}/{ZIP}: No such file or directory: trying {mirror}/{FOLDER}" in output
    assert not any(server.asked for server in played.servers.values())


@pytest.mark.faults
def test_what_all_fail_with_is_one_line(played, checkout):
    google, theirs = played.servers["google"], played.servers["huggingface"]
    google.fault, theirs.fault = "missing", "other"
    output = run(checkout, "pretrained", *SMALL, fails=True)
    (line,) = lines_with(output, "none of the 2 sources can be used")
    assert f"{google.url}/" in line and "HTTP status 404 Not Found" in line and f"{theirs.url}/" in line
    assert "inputs/checksums.txt expects" in line and "use another source with MIRROR=" in line
    assert not list((checkout / "build/downloads").iterdir()) and not (checkout / "build/multilingual").exists()

    google.fault = "other"
    theirs.leave()
    output = run(checkout, "pretrained", *SMALL, fails=True)
    assert "Connection refused, 5 times in a row" in lines_with(output, "none of the 2 sources can be used")[0]
    google.fault = None
    run(checkout, "pretrained", *SMALL)
    assert asked_by(checkout, ZIP).startswith(google.url)


@pytest.mark.faults
def test_half_of_one_source_is_no_part_of_the_next(played, checkout):
    google, theirs = played.servers["google"], played.servers["huggingface"]
    google.fault = theirs.fault = "half"
    output = run(checkout, "pretrained", *SMALL, fails=True)
    assert "bytes are kept, and the next run goes on from there" in output
    names = {path.name for path in (checkout / "build/downloads").iterdir()}
    assert names == {f"{ZIP}.part", f"{ZIP}.part.version", f"{FOLDER}.part"}
    theirs.fault = None
    output = run(checkout, "pretrained", *SMALL)
    assert lines_with(output, f"trying {theirs.url}") and "going on after" in output
    assert {path.name for path in (checkout / "build/downloads").iterdir()} == {FOLDER, f"{FOLDER}.record.json"}
    assert "all as recorded" in run(checkout, "verify", *SMALL)


@pytest.mark.more
def test_the_notebooks_task_with_the_defaults_weights(played, bare, tiny):
    """PROFILE=imdb, by any source or DATA_DIR=, as far as its features."""
    checkout = played.give(copy_checkout(bare.parent / "imdb"))
    played.servers["stanford"].fault = "missing"
    (checkout / "build/downloads").unlink()
    (checkout / "build/downloads").mkdir()
    for path in (tiny / "build/downloads").glob("*.whl"):
        (checkout / "build/downloads" / path.name).symlink_to(path)
    small = ["PROFILE=imdb", "TRAIN_SIZE=32", "TEST_SIZE=16"]
    run(checkout, "features", *small)
    features = json.loads((checkout / "build/imdb/features/features.json").read_text())
    assert features["max_seq_length"] == 128
    run(checkout, "reviews", *small, f"DATA_DIR={played.folder}/aclImdb")
    (own,) = checkout.glob("build/imdb-*/reviews/train.jsonl")
    assert own.read_bytes() == (checkout / "build/imdb/reviews/train.jsonl").read_bytes()
    plan = run(checkout, "-n", "predict", *small)
    assert "--num_train_epochs=2.0" in plan and "--learning_rate=5e-5" in plan and "--max_seq_length=128" in plan
