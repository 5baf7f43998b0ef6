"""The page, in Chromium, as people use it: with a mouse, a keyboard, a screen reader, a phone, in the dark."""

import csv
import json
import os
import re
import shutil

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from serving import FP32, serving
from small import LENGTH, random_texts
from waiting import LONG

pytestmark = [pytest.mark.process, pytest.mark.more]
CHROMIUM = shutil.which("chromium")
TEXT = "It is not a good film, a thing of beauty"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.getuid() == 0 else []
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


def is_wrong(message):
    return message.type in ("error", "warning") and not re.search("responded with a status of (401|422)", message.text)


@pytest.fixture
def open_page(browser):
    """A function that opens a page of a server; what the page does wrong, or asks of others, fails the test."""
    contexts, wrong = [], []

    def open_at(url, path="/", **options):
        context = browser.new_context(**options)
        context.set_default_timeout(1000 * LONG)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if is_wrong(message) else None)
        page.on(
            "request", lambda request: None if request.url.startswith((url, "blob:")) else wrong.append(request.url)
        )
        page.goto(url + path)
        return page

    expect.set_options(timeout=1000 * LONG)
    yield open_at
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(open_page, served):
    return open_page(served.url)


def percent(score):
    return f"{100 * score:.1f} %"


def violations(page):
    return [(found["id"], found["nodes"][0]["html"]) for found in Axe().run(page).response["violations"]]


def test_a_text_is_answered_as_one_types(page, model):
    page.get_by_label("Type or paste a text").press_sequentially(TEXT)
    (row,) = model.predict([TEXT])
    best = model.labels[row.argmax()]
    expect(page.locator("#answer")).to_have_text(f"{best}, {percent(row.max())}")
    assert page.locator("#answer").get_attribute("role") == "status"
    expect(page.locator("#scores")).to_contain_text(percent(row.min()))
    expect(page.locator("#words")).to_contain_text("beauty")
    page.get_by_label("Type or paste a text").fill("")
    expect(page.locator("#answer")).to_be_empty()
    expect(page.locator("#explained")).to_be_hidden()


def test_each_word_has_what_its_absence_changes(page, model):
    page.get_by_label("Type or paste a text").fill(TEXT)
    expect(page.locator("#words mark")).to_have_count(len(TEXT.split()))
    whole, *rest = model.predict([TEXT, *without_each(TEXT)])
    best = whole.argmax()
    expect(page.locator("#best")).to_have_text(model.labels[best])
    page.get_by_text("The same as a table").click()
    for i, (word, left) in enumerate(zip(TEXT.split(), rest, strict=True)):
        cells = page.locator("#rows tr").nth(i).locator("td").all_inner_texts()
        assert cells[:2] == [word, percent(left[best])]
        effect = float(cells[2].replace("−", "-"))
        assert abs(effect - 100 * (whole[best] - left[best])) <= 0.051
        shown = page.locator("#words mark").nth(i).inner_text().replace("\n", "")
        assert shown == (word + cells[2] if abs(effect) >= 0.05 else word)
    expect(page.locator("#read")).to_have_text(f"All {len(TEXT.split())} words were read.")


def without_each(text):
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    return [text[:start] + text[end:] for start, end in spans]


def test_of_a_long_text_it_says_how_much_was_read(page):
    page.get_by_label("Type or paste a text").fill("\U0001f600 " + "film " * LENGTH)
    expect(page.locator("#read")).to_contain_text(f"the first {LENGTH - 2} of {LENGTH + 1} words")
    assert page.locator("#words .unread").inner_text().split() == ["film"] * 3


def test_several_texts_are_answered_at_once(page, model):
    texts = random_texts(30)[:10] + ["<b>good</b>"]
    texts = [text for text in texts if text]
    page.get_by_label("One text a line").fill("\n".join(texts) + "\n\n")
    page.get_by_role("button", name="Classify these lines").click()
    expect(page.locator("#state")).to_contain_text(f"{len(texts)} texts: ")
    answers = model.predict_window(texts)
    rows = [tuple(row.locator("td").all_inner_texts()) for row in page.locator("#answers tr").all()]
    expected = [
        (text, model.labels[row.argmax()], percent(row.max())) for text, row in zip(texts, answers, strict=True)
    ]
    assert rows == expected


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "jsonl"])
def test_a_file_is_scored_and_downloaded_again(page, model, tmp_path, kind):
    texts = ['a "good" film, it is', "dull;\tbad", *random_texts(600)[:500], "很好"]
    texts = [text for text in texts if text and (kind in ("csv", "jsonl") or "\t" not in text)]
    path = tmp_path / f"reviews.{kind}"
    with open(path, "w", newline="", encoding="utf-8") as file:
        if kind == "txt":
            file.write("".join(text + "\r\n" for text in texts))
        elif kind == "jsonl":
            file.write("".join(json.dumps({"id": i, "review": text}) + "\n" for i, text in enumerate(texts)))
        else:
            writer = csv.writer(file, delimiter="," if kind == "csv" else "\t")
            writer.writerows([("id", "review"), *enumerate(texts)])
    drop(page, path)
    expect(page.locator("#state")).to_contain_text(f"{len(texts)} texts, of which the first 200 are shown: ")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "scored.csv"
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["text" if kind == "txt" else "review"] for row in rows] == texts
    if kind != "txt":
        assert [row["id"] for row in rows] == [str(i) for i in range(len(texts))]
    expected = model.predict_window(texts)
    found = np.array([[float(row["p_negative"]), float(row["p_positive"])] for row in rows])
    np.testing.assert_allclose(found, expected, atol=FP32)
    assert [row["label"] for row in rows] == [model.labels[i] for i in found.argmax(1)]


def drop(page, path):
    """Drops a file onto the page, as from a file manager."""
    data = page.evaluate_handle(
        """async ([bytes, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name));
          return data;
        }""",
        [list(path.read_bytes()), path.name],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("reviews.xlsx", b"PK", "must end with .txt, .csv, .tsv or .jsonl"),
        ("reviews.csv", b"id,words\n1,good\n", "there is no column review, text or sentence"),
        ("reviews.txt", b"\xff\xfe", "not valid"),
        ("reviews.jsonl", b"{", "JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(page, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    page.get_by_label("Or a file").set_input_files(tmp_path / name)
    expect(page.locator("#state .error")).to_contain_text(said)


def test_a_text_that_is_too_long_is_told(page):
    page.get_by_label("Type or paste a text").evaluate("(area, text) => { area.value = text }", "a" * 100_001)
    page.get_by_label("Type or paste a text").dispatch_event("input")
    expect(page.locator("#answer .error")).to_contain_text("100000")


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_on_a_phone_or_a_desk_by_day_or_night(open_page, served, path, scheme, width):
    page = open_page(served.url, path, color_scheme=scheme, viewport={"width": width, "height": 800})
    if path == "/":
        expect(page.locator("#name")).to_have_text("classifier")
        assert violations(page) == []
        page.get_by_label("Type or paste a text").fill(TEXT + " film" * LENGTH)
        expect(page.locator("#read")).to_contain_text("Read were the first")
        page.get_by_text("The same as a table").click()
        page.get_by_label("One text a line").fill("good\nbad " + "film " * 100)
        page.get_by_role("button", name="Classify these lines").click()
        expect(page.locator("#state")).to_contain_text("2 texts")
    else:
        expect(page.locator("h3").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    assert dark == (scheme == "dark")


def test_precisions_are_side_by_side_on_a_phone_too(open_page, classifier, model):
    with serving(classifier, "--precision=fp32,bf16") as served:
        page = open_page(served.url, viewport={"width": 390, "height": 800})
        page.get_by_label("Type or paste a text").fill(TEXT)
        rows = page.locator("#precisions tr")
        expect(rows).to_have_count(2)
        (row,) = model.predict([TEXT])
        fp32, bf16 = (line.split("\t") for line in rows.all_inner_texts())
        assert fp32[:3] == ["fp32", model.labels[row.argmax()], percent(row.max())]
        assert bf16[:2] == ["bf16", model.labels[row.argmax()]]
        assert float(fp32[3]) > 0 and float(bf16[3]) > 0, "milliseconds"
        table = page.get_by_role("region", name="Precisions")
        assert table.evaluate("it => it.scrollWidth <= it.clientWidth"), "no column is out of sight"
        assert violations(page) == []


def test_it_is_used_with_the_keyboard_alone(page):
    expect(page.get_by_label("Type or paste a text")).to_be_focused()
    page.keyboard.type("good film")
    expect(page.locator("#read")).to_have_text("All 2 words were read.")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if seen[-1] == "SUMMARY":
            page.keyboard.press("Enter")
            expect(page.locator("#rows tr")).to_have_count(2)
        elif seen[-1] == "lines":
            page.keyboard.type("good")
        elif seen[-1] == "score":
            page.keyboard.press("Enter")
            expect(page.locator("#state")).to_contain_text("1 texts")
    assert {"SUMMARY", "lines", "score", "file", "download", "A"} <= set(seen)


def test_the_browser_asks_for_the_token_itself(browser, open_page, classifier, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef")
    with serving(classifier, "--token_file", tmp_path / "token", token="0123456789abcdef") as served:
        page = open_page(served.url, http_credentials={"username": "me", "password": "0123456789abcdef"})
        page.get_by_label("Type or paste a text").fill("good")
        expect(page.locator("#read")).to_have_text("All 1 words were read.")


def test_an_answer_that_comes_late_does_not_replace_a_later_one(page, model):
    """Of what was typed, the last is shown, whatever answers first."""
    texts = [TEXT[: i + 1] for i in range(len(TEXT))]
    box = page.get_by_label("Type or paste a text")
    for text in texts:
        box.fill(text)
    (row,) = model.predict([TEXT])
    expect(page.locator("#answer")).to_have_text(f"{model.labels[row.argmax()]}, {percent(row.max())}")
