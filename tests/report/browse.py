"""Opens pages in Chromium and prints what it finds as JSON. Runs in the serve environment, which has Playwright:

.tox/serve/bin/python tests/report/browse.py FOLDER PAGE... also writes each page's first plot to FOLDER as it is shown.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

# Of each region that scrolls: what of its table is in sight before and after it is scrolled to its end.
REGIONS = """() => [...document.querySelectorAll(".wide")].map((region) => {
  const seen = (cell) => {
    const [outer, inner] = [region.getBoundingClientRect(), cell.getBoundingClientRect()];
    return inner.left >= outer.left - 1 && inner.right <= Math.min(outer.right, window.innerWidth) + 1;
  };
  const cells = [...region.querySelectorAll("tr:first-child th")];
  const before = cells.filter(seen).map((cell) => cell.innerText);
  region.scrollLeft = region.scrollWidth;
  const after = cells.filter(seen).map((cell) => cell.innerText);
  const scrolls = region.scrollLeft > 0;
  region.scrollLeft = 0;
  const columns = cells.map((cell) => cell.innerText);
  return { columns, before, after, scrolls, picture: !!region.querySelector("img") };
})"""
# A plot's text is of 10 points, 13.3 pixels, where it is as wide as it was drawn.
TEXTS = """() => [...document.images].map((image) =>
  [image.alt, 13.33 * image.getBoundingClientRect().width / image.naturalWidth])"""


def look(browser, path, width, scheme, folder):
    """Returns what is found on one page of one width and colour scheme, as a dict."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    found = {"page": path.stem, "width": width, "scheme": scheme}
    found["page_width"] = page.evaluate("document.documentElement.scrollWidth")
    found["regions"], found["texts"] = page.evaluate(REGIONS), page.evaluate(TEXTS)
    found["violations"] = [each["id"] for each in Axe().run(page).response["violations"]]
    found["asked"] = [url for url in asked if not url.startswith(("data:", path.as_uri()))]
    page.locator(".wide").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    found["by_keyboard"] = page.locator(".wide").first.evaluate("region => region.scrollLeft")
    found["plot"] = str(folder / f"{path.stem}-{width}-{scheme}.png")
    page.locator("img").first.screenshot(path=found["plot"])
    context.close()
    return found


def main():
    folder, *paths = map(Path, sys.argv[1:])
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        wanted = [(path, width, scheme) for path in paths for width in (390, 1280) for scheme in ("light", "dark")]
        print(json.dumps([look(browser, *each, folder) for each in wanted]))
        browser.close()


if __name__ == "__main__":
    main()
