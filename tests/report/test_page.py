"""The pages in Chromium, on a phone and a desk, by day and night."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from report_build import ROOT, call, relabel

from report import ablation, builds, compare

pytestmark = [pytest.mark.process, pytest.mark.more]


@pytest.fixture
def found(build, tmp_path):
    """What browse.py finds on the page of a run, on that of one of 20 labels, and on that of builds side by side."""
    many = shutil.copytree(build, tmp_path / "many")
    relabel(many, [f"a long label {i}" for i in range(20)], np.repeat(np.arange(20), 2))
    pages = []
    for folder in (build, many):
        call(ablation.main, f"--output_dir={folder / 'ablation'}", f"7={folder / 'ablation'}")
        call(compare.main, folder, "--profile=made-up")
        pages.append((folder / "compare" / "compare.html").rename(tmp_path / f"{folder.name}.html"))
    others = [shutil.copytree(build, tmp_path / f"a build of a longer name {i}") for i in range(4)]
    call(builds.main, tmp_path / "builds", build, *others)
    pages.append((tmp_path / "builds" / "compare.html").rename(tmp_path / "side-by-side.html"))
    command = [ROOT / ".tox/serve/bin/python", ROOT / "tests/report/browse.py", tmp_path, *pages]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def test_pages_are_right_on_a_phone_and_a_desk_by_day_and_night(found):
    assert len(found) == 12
    for page in found:
        told = page["page"], page["width"], page["scheme"]
        assert page["page_width"] <= page["width"], f"{told}: the page itself scrolls sideways"
        assert page["violations"] == [] and page["asked"] == [], told
        for region in page["regions"]:
            if region["picture"]:
                continue
            name, *_, last = region["columns"]
            assert last in region["after"], f"{told}: {last} cannot be reached"
            assert name in region["before"] and name in region["after"], f"{told}: {name} scrolls out of sight"
        metrics = page["regions"][0]
        assert metrics["columns"][1] in metrics["before"] and metrics["columns"][2] in metrics["before"], told
        assert metrics["scrolls"] == (page["by_keyboard"] > 0)
        if page["width"] == 390:
            assert metrics["scrolls"], told
        small = [text for text in page["texts"] if text[1] < 10]
        assert not small, f"{told}: too small to read"
        brightness = np.asarray(Image.open(page["plot"]).convert("L")).mean()
        assert brightness < 70 if page["scheme"] == "dark" else brightness > 200, told
