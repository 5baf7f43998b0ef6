"""make reproduce and make bundle: an honest build is told from a forged one, and nothing that a record says is run."""

import json
import os
import shutil

import pytest
from checkout import ROOT, copy_checkout, make, make_fails
from records import forge, write_record

pytestmark = pytest.mark.process
TINY = "PROFILE=tiny"


@pytest.fixture
def checkout(built, tmp_path):
    """A copy of the checkout, with a build that the test may spoil."""
    return copy_checkout(tmp_path / "checkout", build=built)


def rows(output):
    """Returns {stage: (yes or NO, promise and result)} of the table that make reproduce prints."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("stage "))
    table = (line.split(maxsplit=3) for line in lines[start + 1 :])
    return {words[0]: (words[2], words[3]) for words in table if len(words) == 4 and words[2] in ("yes", "NO")}


def flip(data):
    """Changes the last byte of a weight but for the lowest of its bits, as one who wants other answers would."""
    return data[:-2] + bytes([data[-2] ^ 0x40]) + data[-1:]


def test_a_forged_head_is_told_though_its_record_vouches_for_it(checkout):
    forge(checkout / "build/tiny", "weight.npy", flip)
    assert make(checkout, "verify", TINY).endswith("all as recorded\n")
    found = make_fails(checkout, "reproduce", TINY, "STAGES=fc patch")
    table = rows(found)
    assert "weight.npy: 1 of 384 bytes, up to" in table["fc"][1] and table["fc"][0] == "NO"
    assert table["patch"] == ("yes", "the same bytes  identical")
    assert "2 stages: 1 not as promised: fc: see build/reproduce/made" in found
    made = checkout / "build/reproduce/made/build/tiny/weight.npy"
    assert made.read_bytes() == (ROOT / "build/tiny/weight.npy").read_bytes()
    assert not (checkout / "build/reproduce/checkout").exists()


@pytest.mark.more
def test_an_honest_build_is_the_same_stage_by_stage(checkout):
    found = make(checkout, "reproduce", TINY, "STAGES=pb fc ir classifier int8")
    table = rows(found)
    assert set(table) == {"pb", "fc", "ir", "classifier", "int8"}
    assert all(kept == "yes" and "the same bytes  identical" in told for kept, told in table.values()), found
    assert "5 stages: all as promised" in found and not (checkout / "build/reproduce").exists()


@pytest.mark.more
@pytest.mark.parametrize(
    "stage, name", [("ir", "bert-finetune.bin"), ("pb", "bert-finetune.pb"), ("classifier", "classifier.bin")]
)
def test_a_forged_file_of_any_stage_is_told(stage, name, checkout):
    forge(checkout / "build/tiny", name, flip)
    table = rows(make_fails(checkout, "reproduce", TINY, f"STAGES={stage}"))
    assert f"{name}: " in table[stage][1] and table[stage][0] == "NO"


def edit(checkout, stage, **changes):
    """Changes a record as one who forges would, with a seal that fits."""
    path = checkout / f"build/tiny/{stage}.record.json"
    record = json.loads(path.read_text())
    write_record(path, record | {key: change(record[key]) for key, change in changes.items()})


def test_a_recorded_command_is_compared_and_never_run(checkout):
    """One line a stage says what the Makefile would run otherwise, before anything is made."""
    edit(checkout, "fc", parameters=lambda command: "touch build/touched")
    found = make_fails(checkout, "reproduce", TINY, "STAGES=fc")
    assert "it ran in touch, is to run in .tox/tf1/bin/python" in found and found.startswith("fc: ")
    edit(checkout, "pb", parameters=lambda command: command, command=lambda words: ["touch", "build/touched"])
    found = make_fails(checkout, "reproduce", TINY, "STAGES=result1 result2", "LEARNING_RATE2=3e-3")
    assert "result2: --learning_rate was 5e-4, is 3e-3" in found and "result1: " not in found
    edit(checkout, "patch", parameters=lambda command: "'")
    assert "patch: its command is none" in make_fails(checkout, "reproduce", TINY, "STAGES=patch")
    assert not list(checkout.rglob("touched"))


def test_what_is_no_stage_or_no_build_is_one_clear_line(checkout, tmp_path):
    build = checkout / "build/tiny"
    shutil.copy(build / "patch.record.json", build / "mine.record.json")
    found = make_fails(checkout, "reproduce", TINY)
    assert "mine: no stage of this checkout's Makefile leaves such a record" in found
    os.unlink(build / "mine.record.json")
    assert "STAGES=heldout: build/tiny has no record of it: choose from" in make_fails(
        checkout, "reproduce", TINY, "STAGES=heldout"
    )
    found = make_fails(checkout, "reproduce", f"FROM={build}")
    assert "its records are of build/tiny, not of build/minilm: give PROFILE=" in found
    (tmp_path / "empty").mkdir()
    assert "no records in it" in make_fails(checkout, "reproduce", f"FROM={tmp_path}/empty")
    inside = checkout / "build/reproduce/tiny"
    shutil.copytree(build, inside)
    assert "is where make reproduce works: move it" in make_fails(checkout, "reproduce", TINY, f"FROM={inside}")
    assert inside.exists()
    (tmp_path / "text").write_text("no bundle")
    shutil.rmtree(checkout / "build/reproduce")
    assert "not a bundle" in make_fails(checkout, "reproduce", f"FROM={tmp_path}/text", TINY)
    assert not (checkout / "build/reproduce").exists()
    assert "FROM=nowhere: no such folder or bundle" in make_fails(checkout, "verify", "FROM=nowhere")
    assert "FROM=nowhere: is for make reproduce and make verify" in make_fails(checkout, "predict", "FROM=nowhere")
    edit(checkout, "fc", modules=lambda modules: None)
    assert "fc.record.json: of another version, without modules" in make_fails(checkout, "reproduce", TINY)


def test_verify_reads_a_bundle_and_another_folder(checkout, tmp_path):
    name = str(tmp_path / "a build's folder")
    assert "build/bundle/tiny.tar.zst: " in make(checkout, "bundle", TINY)
    assert make(checkout, "verify", TINY, "FROM=build/bundle/tiny.tar.zst").endswith("all as recorded\n")
    os.rename(checkout / "build/tiny", name)
    assert make(checkout, "verify", TINY, f"FROM={name}").endswith("all as recorded\n")
    with open(f"{name}/weight.npy", "ab") as file:
        file.write(b"more")
    assert "build/tiny/weight.npy: is no longer as fc made it" in make_fails(checkout, "verify", TINY, f"FROM={name}")


@pytest.mark.more
def test_a_bundle_is_made_again_from_the_archives_alone(checkout):
    """Trained in one thread, all is the same to the byte; forged metrics are told though all records vouch for them."""
    make(checkout, "predict", TINY, "DETERMINISTIC=1")
    make(checkout, "bundle", TINY, "DETERMINISTIC=1")
    bundle = checkout / "build/bundle/tiny.tar.zst"
    os.rename(bundle, checkout / "honest.tar.zst")
    results = checkout / "build/tiny/result2/eval_results.txt"
    better = results.read_bytes().replace(b"accuracy = 0.", b"accuracy = 0.9")
    forge(checkout / "build/tiny", "result2/eval_results.txt", lambda data: better)
    make(checkout, "bundle", TINY, "DETERMINISTIC=1")
    os.rename(bundle, checkout / "forged.tar.zst")
    shutil.rmtree(checkout / "build/tiny")
    found = make(checkout, "reproduce", TINY, "DETERMINISTIC=1", "FROM=honest.tar.zst")
    assert all(kept == "yes" and "the same bytes  identical" in told for kept, told in rows(found).values()), found
    assert {"pretrained", "result1", "result2", "predict/openvino"} <= set(rows(found))
    table = rows(make_fails(checkout, "reproduce", TINY, "DETERMINISTIC=1", "FROM=forged.tar.zst", "STAGES=result2"))
    assert "eval_accuracy = 0.9" in table["result2"][1]
    assert {name for name, row in table.items() if row[0] == "NO"} == {"result2"}
