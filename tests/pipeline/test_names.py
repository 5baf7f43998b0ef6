"""Names of files that Make or a shell would take for something else: they work, and nothing that they say is run."""

import csv
import json
import os
import shlex
import shutil

import pytest
from checkout import ROOT, make, make_fails

TINY = "PROFILE=tiny"
NAMES = [
    "r-10:30.txt",
    "two  spaces and\ta tab",
    "it's; touch ran; '",
    "$(shell touch ran)",
    "`touch ran`",
    '"$(touch ran)"',
    "a;touch ran|touch ran&touch ran>ran",
    "%.txt#x",
    "[1]*?{a,b}!~",
    "a=b@c\\",
    "$HOME$$",
    "-n",
    ">",
    "~",
    "reviews",  # a goal
    "FORCE",
    "@given",
    "@given x $(shell touch ran)",
    "ünd 映画",
    b"not \xff UTF-8".decode(errors="surrogateescape"),
]
WITHOUT_PATTERNS = str.maketrans("", "", "[]*?")  # which TensorFlow would take for them
NASTY = "it's; touch ran; ' $(shell touch ran) `touch ran` \"$(touch ran)\" & | > %#:,=@ [1]*?{a} ~ ünd"


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_name_and_no_more(name, bare):
    (bare / name).write_text("Fine!\n")
    plan = make(bare, "-n", "predict", TINY, f"REVIEWS={name}")
    own = f"./{name}" if name in ("-n", ">") else name
    assert shlex.join([f"--predict_file={own}"]) in plan and f" -f {shlex.quote(own)} " in plan
    assert not (bare / "ran").exists() and not list(bare.glob("build/*/*"))


@pytest.mark.parametrize(
    "goal, given, read",
    [
        ("reviews", ["DATA_DIR"], ["DATA_DIR"]),
        ("reviews", ["TRAIN", "TEST"], ["TRAIN", "TEST"]),
        ("pb", ["CHECKPOINT", "META_GRAPH"], ["CHECKPOINT", "META_GRAPH"]),
        ("predict", ["CHECKPOINT", "VOCAB_FILE", "BERT_CONFIG_FILE"], ["VOCAB_FILE", "BERT_CONFIG_FILE"]),
        ("pretrained", ["MIRROR", "CHECKSUMS"], ["MIRROR", "CHECKSUMS"]),
        ("pretrained", ["WEIGHTS"], ["WEIGHTS"]),
        ("pretrained", ["WEIGHTS_CONFIG"], ["WEIGHTS_CONFIG"]),
        ("reviews", ["REVIEWS_FROM"], ["REVIEWS_FROM"]),
        ("result1", ["HUB_MODULE"], ["HUB_MODULE"]),
        ("classifier", ["CALIBRATE"], ["CALIBRATE"]),
        ("score", ["INPUT", "OUTPUT"], ["INPUT", "OUTPUT"]),
    ],
)
def test_every_variable_that_takes_a_path_takes_any(goal, given, read, bare):
    ends = {"INPUT": ".csv", "OUTPUT": ".jsonl", "META_GRAPH": ".meta"}
    paths = {name: f"{name} {NASTY}{ends.get(name, '')}" for name in given}
    paths |= {name: paths[name].translate(WITHOUT_PATTERNS) for name in ("CHECKPOINT", "HUB_MODULE") if name in given}
    for name, path in paths.items():
        if name in ("DATA_DIR", "HUB_MODULE", "MIRROR"):
            (bare / path).mkdir()
        else:
            for end in (".index", ".meta") if name == "CHECKPOINT" else ("",):
                (bare / (path + end)).touch()
    plan = make(bare, "-n", goal, TINY, *(f"{name}={path}" for name, path in paths.items()))
    words = shlex.split(plan.replace("\n", " \n "), comments=False)
    for name in read:
        assert any(paths[name] in word for word in words), plan
    assert not (bare / "ran").exists() and "@given" not in plan
    assert not list(bare.glob("build/*/*"))


@pytest.mark.parametrize(
    "data, message",
    [
        ("good\nça\n".encode("latin-1"), "line 2 is not UTF-8, likely cp1252: convert it: iconv -f cp1252 -t utf-8"),
        ("good\n".encode("utf-16-le"), "is UTF-16-LE: convert it: iconv -f utf-16-le -t utf-8"),
        (b"", "no reviews in it"),
        (None, "cannot read the reviews: Is a directory"),
    ],
)
def test_reviews_that_cannot_be_read_are_refused_before_anything_is_made(data, message, bare):
    for name in ("mine.txt", "it's $(shell touch ran).txt"):
        (bare / name).mkdir() if data is None else (bare / name).write_bytes(data)
        assert f"REVIEWS={name}: {message}." in make_fails(bare, "predict", f"REVIEWS={name}")
    assert not (bare / "ran").exists() and not list(bare.glob("build/*/*"))


def test_a_pipe_of_reviews_is_refused_and_not_waited_for(bare):
    os.mkfifo(bare / "pipe")
    line = "REVIEWS=pipe: a pipe, and it is read more than once: give a file."
    assert line in make_fails(bare, "status", "REVIEWS=pipe")


def test_what_has_no_name_or_no_place_is_one_clear_line(bare):
    (bare / "a,b.pb").touch()
    for given, message in (
        ("REVIEWS=no $(shell touch ran) here", "no $(shell touch ran) here: no such file or folder"),
        ("CHECKPOINT=no; touch ran", "no; touch ran.index: no such file"),
        ("CHECKPOINT=a[1]/model.ckpt-1", "CHECKPOINT=a[1]/model.ckpt-1: TensorFlow takes [ for a pattern"),
        ("PB=a,b.pb", "PB=a,b.pb: mo takes it for two at the comma"),
        ("HUB_MODULE=`touch ran`", "`touch ran`: no such folder"),
        ("REVIEWS=a\nb", "must be without newlines"),
        ("EPOCHS=1'; touch ran; '", "EPOCHS='1'; touch ran; '': must be without '"),
        ("BUILD=$(shell touch ran)", "BUILD='$(shell touch ran)': must be without $"),
        ("BUILD=a:b", "BUILD='a:b': must be without :"),
        ("PROFILE=`touch ran`", "must be without `"),
    ):
        assert message in make_fails(bare, "ir", given)
    assert "there is no such goal" in make_fails(bare, "x'; touch ran; '")
    assert not (bare / "ran").exists() and not list(bare.glob("build/*/*"))


@pytest.mark.more
def test_a_checkpoint_its_vocabulary_and_reviews_by_any_names(tiny, bare, tmp_path):
    """Through TensorFlow, mo and OpenVINO, into a folder, records and messages that say what they were."""
    model = NASTY.translate(WITHOUT_PATTERNS)
    folder = tmp_path / model
    folder.mkdir()
    for path in (tiny / "build/tiny/result2").glob("model.ckpt-32.*"):
        shutil.copy(path, folder / path.name.replace("model", model))
    for name in ("vocab.txt", "bert_config.json"):
        shutil.copy(tiny / "build/tiny/pretrained" / name, folder / f"{name} {NASTY}")
    (folder / f"reviews {NASTY}").write_text("Fine!\nAwful; touch ran\n")
    given = [f"CHECKPOINT={folder}/{model}.ckpt-32", f"REVIEWS={folder}/reviews {NASTY}"]
    given += [f"VOCAB_FILE={folder}/vocab.txt {NASTY}", f"BERT_CONFIG_FILE={folder}/bert_config.json {NASTY}"]
    given += [f"META_GRAPH={folder}/{model}.ckpt-32.meta"]
    output = make(bare, "predict", *given)
    assert "on 2 reviews, 0 labels differ" in output.splitlines()[-1] and "@given" not in output
    (build,) = (bare / "build").glob("minilm-*")
    record = json.loads((build / "predict/tensorflow.record.json").read_text())
    assert f"{folder}/reviews {NASTY}" in record["inputs"] and f"{folder}/{model}.ckpt-32.index" in record["inputs"]
    assert record["flags"]["predict_file"] == f"{folder}/reviews {NASTY}"
    assert "all as recorded" in make(bare, "verify", *given)
    assert len(make(bare, "predict", *given).splitlines()) == 3, "made again"

    (folder / f"reviews {NASTY}").write_text("Fine!\n")
    assert f"tensorflow: {folder}/reviews {NASTY} differs from what it was made with" in make(bare, "predict", *given)
    pb = shutil.copy(build / "bert-finetune.pb", tmp_path / f"{NASTY}.pb".replace(",", ""))
    for converter in ("mo", "frontend"):
        make(bare, "ir", f"PB={pb}", f"CONVERTER={converter}")
    assert not list(tmp_path.rglob("ran"))


def test_reviews_archives_and_scores_by_any_names(tiny, bare, tmp_path):
    mirror = tmp_path / f"mirror {NASTY}"
    mirror.mkdir()
    for path in (ROOT / "build/downloads").glob("*.whl"):
        (mirror / path.name).symlink_to(path)
    shutil.copy(ROOT / "inputs/checksums.txt", tmp_path / f"sums {NASTY}")
    make(bare, "reviews", TINY, f"MIRROR={mirror}/", f"CHECKSUMS={tmp_path}/sums {NASTY}")

    data = tmp_path / f"data {NASTY}"
    for split in ("train", "test"):
        for i, line in enumerate((bare / f"build/tiny/reviews/{split}.jsonl").open()):
            row = json.loads(line)
            kind = data / split / ("pos" if row["label"] else "neg")
            kind.mkdir(parents=True, exist_ok=True)
            (kind / f"{i}_{9 if row['label'] else 2}.txt").write_text(row["review"])
    shutil.copytree(data / "train/pos", data / "train/.pos copy")
    for name in NAMES:
        os.close(os.open(data / name, os.O_CREAT))
        os.close(os.open(data / "train/pos" / name, os.O_CREAT))
    for given in (data, f"{data}/"):
        output = make(bare, "reviews", TINY, f"DATA_DIR={given}")
    assert "Nothing to be done" in output or not output, "made again for a slash"
    assert "all as recorded" in make(bare, "verify", TINY, f"DATA_DIR={data}")
    (build,) = (bare / "build").glob("tiny-*")
    read, written = (
        {json.loads(line)["review"] for line in open(folder / "reviews/train.jsonl")}
        for folder in (bare / "build/tiny", build)
    )
    assert written == read | {""}, "every .txt is a text, whatever its name"

    with open(tmp_path / f"in {NASTY}.csv", "w", newline="") as file:
        csv.writer(file).writerows([[NASTY, "id"], ["Fine!", "1"]])
    given = [f"INPUT={tmp_path}/in {NASTY}.csv", f"OUTPUT={tmp_path}/out {NASTY}.jsonl", f"TEXT_COLUMN={NASTY}"]
    printed = make(tiny, "score", TINY, *given)
    output = tmp_path / f"out {NASTY}.jsonl"
    assert f"{output}: scored 1 rows, 0 bad rows skipped" in printed
    assert json.loads(output.read_text())["label"]
    assert not list(tmp_path.rglob("ran")) and not (tiny / "ran").exists()
