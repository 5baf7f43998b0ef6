"""Make before anything is built, and the profile of the guide against a local server."""

import functools
import hashlib
import http.server
import json
import os
import re
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT, clean_environment, make, make_fails

ZIP = "multilingual_L-12_H-768_A-12"
SMALL = ["TRAIN_SIZE=24", "TEST_SIZE=16", "TRAIN_BATCH_SIZE=8", "EPOCHS=1.0", "EPOCHS2=1.0", "MAX_SEQ_LENGTH=32"]


@pytest.mark.parametrize(
    "target",
    ["help", "-n predict", "-n test", "-n audit", "-n predict PROFILE=multilingual", "-n predict OFFLINE=1"],
)
def test_help_and_dry_runs_work_with_nothing_installed(target, bare):
    (bare / ".tox").unlink()
    output = make(bare, *target.split())
    assert "predict" in output or "pytest" in output or "tox run" in output
    assert not (bare / ".tox").exists() and not (bare / "build").exists()


def test_help_lists_every_target(bare):
    lines = make(bare).splitlines()
    assert {line.split()[0] for line in lines} >= set(
        "pretrained result1 result2 pb fc ir predict status help check test mutants lock audit sbom clean".split()
        + "PROFILE DATA_DIR CHECKPOINT BUILD MIRROR INPUT BENCH_LENGTH EPOCHS LEARNING_RATE2 T".split()
    )


def test_the_documentation_names_only_goals_and_variables_that_there_are(bare):
    listed = {line.split()[0] for line in make(bare).splitlines()}
    text = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    goals = set(re.findall(r"(?:`|^|\$ )make ([a-z][a-z0-9-]*)", text, re.MULTILINE))
    variables = set(re.findall(r"\b([A-Z][A-Z0-9_]*)=", text))
    foreign = {"CI", "EPOCH", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"}  # EPOCH= is the misspelt one
    assert len(goals) > 20 and goals <= listed, goals - listed
    assert len(variables) > 25 and variables - foreign <= listed, variables - listed


def test_unknown_profile_is_one_clear_line(bare):
    output = make_fails(bare, "predict", "PROFILE=large")
    assert "unknown profile 'large': choose one of imdb minilm multilingual tiny uncased" in output
    assert [line[:23] for line in output.splitlines()[1:]] == ["make: *** [GNUmakefile:"]


def test_missing_data_dir_is_one_clear_line(bare):
    output = make_fails(bare, "reviews", "PROFILE=multilingual", "DATA_DIR=/nowhere")
    assert "/nowhere: no such file or folder" in output
    assert [line[:23] for line in output.splitlines()[1:]] == ["make: *** [GNUmakefile:"]


@pytest.mark.parametrize(
    "given, message",
    [
        ("reviews MIRROR=/nowhere", "MIRROR=/nowhere: no such folder: give one, or an URL with http:// or https://"),
        ("reviews MIRROR=ftp://x/y", "MIRROR=ftp://x/y: no such folder: give one, or an URL"),
        ("reviews MIRROR=. OFFLINE=1", "MIRROR=. and OFFLINE=1: one fetches and the other forbids it: give one"),
        ("reviews CHECKSUMS=sums.txt", "sums.txt: no such file or folder"),
        ("lock OFFLINE=1", "make lock asks the package index: leave out OFFLINE=1"),
        ("audit OFFLINE=1", "make audit asks the package index: leave out OFFLINE=1"),
    ],
)
def test_what_cannot_be_fetched_from_there_is_one_clear_line(given, message, bare):
    lines = make_fails(bare, *given.split()).splitlines()
    assert message in lines[0] and [line[:23] for line in lines[1:]] == ["make: *** [GNUmakefile:"]
    assert not list(bare.glob("build/*/*"))


def test_without_python_3_7_make_stops_early_and_says_how_to_get_it(bare, tmp_path):
    tools = (bare / ".tox").resolve()
    (bare / ".tox").unlink()
    (bare / ".tox").mkdir()
    (bare / ".tox" / "tools").symlink_to(tools / "tools")
    for name in ("tools.stamp", "python3.11.txt"):
        (bare / ".tox" / name).symlink_to(tools / name)
    (tmp_path / "bin").mkdir()
    for name in "bash make mkdir awk cat cmp cp env flock patch rm sed sort".split():
        source = next(Path(folder, name) for folder in os.environ["PATH"].split(":") if Path(folder, name).exists())
        (tmp_path / "bin" / name).symlink_to(source)
    hidden = clean_environment(
        PATH=f"{tmp_path}/bin", PYENV_ROOT=f"{tmp_path}/pyenv", HOME=str(tmp_path), UV_PYTHON_DOWNLOADS="never"
    )
    output = make_fails(bare, "predict", env=hidden)
    assert "Python 3.7 is needed" in output and "'pyenv install 3.7' or 'uv python install 3.7'" in output
    assert not (bare / ".tox" / "tf1").exists() and not (bare / "build" / "downloads").exists()


def test_without_a_compiler_or_a_browser_the_loops_leave_out_what_needs_it_and_say_so(bare, tmp_path):
    (tmp_path / "bin").mkdir()
    for folder in os.environ["PATH"].split(":"):
        for command in Path(folder).glob("*"):
            if command.name not in ("g++", "chromium") and not (tmp_path / "bin" / command.name).exists():
                (tmp_path / "bin" / command.name).symlink_to(command)
    hidden = clean_environment(PATH=f"{tmp_path}/bin")
    assert "horovod" not in make(bare, "-n", "check", env=hidden) + make(bare, "-n", "test", env=hidden)
    plan = make(bare, "-n", "test-all", env=hidden)
    assert "Horovod's tests and those in C++ are skipped: there is no g++" in plan and "tf1-horovod" not in plan
    assert "--ignore=tests/pipeline/test_hosts.py" in plan and "--ignore=tests/products/test_cplusplus.py" in plan
    assert "the pages' tests are skipped: there is no chromium" in plan
    assert "--ignore=tests/infer/serve/test_page.py" in plan
    assert "tested-report" not in plan, "it would have no test left, which pytest takes for a failure"


@pytest.fixture
def server(tiny, tmp_path):
    """Google's zip and module and Stanford's archive in small: tiny's weights, snippets as files. Yields the URL."""
    www = tmp_path / "www"
    www.mkdir()
    build = tiny / "build" / "tiny"
    checksums = ""
    with zipfile.ZipFile(www / f"{ZIP}.zip", "w") as archive:
        for path in sorted((build / "pretrained").iterdir()):
            archive.write(path, f"{ZIP}/{path.name}")
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            checksums += f"sha256:{digest}  {ZIP}.zip/{ZIP}/{path.name}\n"
    for split in ("train", "test"):
        for i, line in enumerate((build / "reviews" / f"{split}.jsonl").open()):
            row = json.loads(line)
            folder = tmp_path / "aclImdb" / split / ("pos" if row["label"] else "neg")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i}_{9 if row['label'] else 2}.txt").write_text(row["review"])
    with tarfile.open(www / "aclImdb_v1.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "aclImdb", "aclImdb")
    checksums += f"md5:{hashlib.md5((www / 'aclImdb_v1.tar.gz').read_bytes()).hexdigest()}  aclImdb_v1.tar.gz\n"
    (tmp_path / "checksums.txt").write_text(checksums)
    make(tiny, "hub-module", "PROFILE=tiny")
    (www / "bert_uncased_L-12_H-768_A-12").mkdir()
    with tarfile.open(www / "bert_uncased_L-12_H-768_A-12" / "1", "w:gz") as archive:
        archive.add(build / "hub-module", ".")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=www)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_the_guides_profile_end_to_end_against_a_local_server(server, bare, tmp_path):
    served = [f"WEIGHTS={server}/{ZIP}.zip", f"REVIEWS_FROM={server}/aclImdb_v1.tar.gz", "PROFILE=multilingual"]
    served += [f"CHECKSUMS={tmp_path}/checksums.txt", *SMALL]
    output = make(bare, "predict", *served)
    assert "largest difference from TensorFlow" in output.splitlines()[-1]
    assert (bare / "build/multilingual/result2/model.ckpt-3.index").is_file()
    sample = (bare / "build/multilingual/reviews/train.jsonl").read_text()
    assert len(sample.splitlines()) == 24

    make(bare, "reviews", *served, f"DATA_DIR={tmp_path}/aclImdb/")
    (own,) = bare.glob("build/multilingual-*/reviews/train.jsonl")  # what is trained on something given lies apart
    assert own.read_text() == sample


@pytest.mark.more
def test_the_notebooks_profile_end_to_end_from_its_module(server, bare, tmp_path):
    served = [f"HUB_MODULE={server}/bert_uncased_L-12_H-768_A-12/1", f"REVIEWS_FROM={server}/aclImdb_v1.tar.gz"]
    served += [f"CHECKSUMS={tmp_path}/checksums.txt", "PROFILE=uncased", *SMALL]
    output = make(bare, "-j4", "predict", "compare", "classifier", *served)
    assert "0 labels differ" in output
    assert "at most from the graph's own" in output  # the classifier's probabilities
    (build,) = bare.glob("build/uncased-*")  # the module is given
    assert not (bare / "build/uncased").exists() and len(list((bare / "build/downloads").glob("*.gz"))) == 1
    record = json.loads((build / "result1.record.json").read_text())
    assert any("tfhub" in path and path.endswith("variables.index") for path in record["inputs"])
    page = (build / "compare/compare.md").read_text()
    assert "Comparable with the notebook: the same weights and the same corpus." in page
    assert "all as recorded" in make(bare, "verify", *served)


def test_what_is_not_googles_zip_is_not_let_in(server, bare):
    output = make_fails(bare, "pretrained", f"WEIGHTS={server}/{ZIP}.zip", "PROFILE=multilingual")
    assert "inputs/checksums.txt expects 49063bb061390211d2fdd108cada1ed86faa5f90b80c8f6fdddf406afa4c4624" in output
    assert not list((bare / "build" / "downloads").iterdir())
    assert not (bare / "build/multilingual/pretrained").exists()
