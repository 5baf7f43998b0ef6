"""The wheel of infer, in an environment that has nothing else, outside of the checkout."""

import csv
import importlib.metadata
import os
import shutil
import subprocess
import zipfile

import pytest
from checkout import ROOT, clean_environment, make
from test_classifier import REVIEWS

PROGRAM = """
from infer import Classifier
classifier = Classifier("classifier.xml")
print(classifier.labels, classifier.max_seq_length, len(list(classifier.predict(["good", "bad"]))))
"""


@pytest.fixture(scope="module")
def wheel(tiny):
    return tiny / make(tiny, "wheel").splitlines()[-1]


@pytest.fixture(scope="module")
def outside(tiny, wheel, tmp_path_factory):
    """A folder with a classifier and an environment, venv/, into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("outside")
    for suffix in (".xml", ".bin"):
        shutil.copy(tiny / f"build/tiny/classifier{suffix}", folder)
    subprocess.run([(ROOT / ".tox/python3.11.txt").read_text().strip(), "-m", "venv", folder / "venv"], check=True)
    install(folder, wheel)
    return folder


def install(folder, what):
    """Installs a wheel with what it names, in the versions of openvino-current, from where the user's settings say."""
    uv = [ROOT / ".tox/tools/bin/python", ROOT / "mk/packages.py", ROOT / ".tox/tools/bin/uv", "pip", "install"]
    words = [*uv, "--quiet", "--python", folder / "venv/bin/python", what]
    words += ["--constraint", ROOT / "requirements/openvino-current.txt", "--index-strategy", "unsafe-best-match"]
    done = subprocess.run(words, cwd=folder, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def python(folder, *words):
    """Runs the environment's Python in its folder; returns the finished process."""
    words = [folder / "venv/bin/python", *map(str, words)]
    return subprocess.run(words, cwd=folder, env=clean_environment(), capture_output=True, text=True)


def test_the_same_files_give_the_same_wheel(wheel, bare):
    for path in bare.glob("infer/**/*.py"):
        os.utime(path, (0, 0))
    again = bare / make(bare, "wheel").splitlines()[-1]
    assert again.name == wheel.name and again.read_bytes() == wheel.read_bytes()
    assert make(bare, "wheel") == f"build/wheel/{wheel.name}\n"


def test_it_holds_infer_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = [path for path in (ROOT / "infer").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert names == {str(path.relative_to(ROOT)) for path in files}
    assert {"infer/reviews.txt", "infer/text/tokenizer.py", "infer/score/run.py"} <= names


def test_it_asks_for_four_packages(outside):
    (site,) = outside.glob("venv/lib/python3.11/site-packages")
    (found,) = importlib.metadata.distributions(name="bert-openvino-classifier", path=[str(site)])
    needed = {word.split(">")[0] for word in found.requires if "extra" not in word}
    assert needed == {"openvino", "numpy", "tokenizers", "unicodedataplus"}


def test_it_predicts_what_the_checkout_does(outside, tiny):
    done = python(outside, "-m", "infer", "-m", "classifier.xml", *REVIEWS)
    assert done.returncode == 0, done.stderr
    expected = subprocess.run(
        [ROOT / ".tox/openvino-current/bin/python", "-m", "infer", "-m", "build/tiny/classifier.xml", *REVIEWS],
        cwd=tiny,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == expected.stdout and done.stdout.count("array") == len(REVIEWS)
    assert python(outside, "-c", PROGRAM).stdout == "['Negative', 'Positive'] 32 2\n"
    assert python(outside, "-m", "infer", "-m", "classifier.xml").stdout.count("\n") == 4, "reviews.txt is in it"


def test_score_says_what_it_lacks_and_scores_with_it(outside, wheel):
    (outside / "reviews.csv").write_text("review\nAbsolutely awful\nFine\n")
    score = "-m", "infer", "score", "-m", "classifier.xml", "reviews.csv", "scored.csv"
    done = python(outside, *score)
    assert done.returncode == 1 and not (outside / "scored.csv").exists()
    said = "is not in this environment: score with .tox/openvino-current/bin/python, or install the extra score\n"
    assert done.stderr.endswith(said) and done.stderr.count("\n") == 1
    install(outside, f"{wheel}[score]")
    done = python(outside, *score)
    assert done.returncode == 0, done.stderr
    with open(outside / "scored.csv", newline="") as file:
        assert [row["label"] in ("Negative", "Positive") for row in csv.DictReader(file)] == [True, True]
