"""Writes Markdown tables, and a Markdown page with its pictures as one self-contained HTML file."""

import base64
import itertools
import os
import re
from pathlib import Path

import markdown

# default-src 'none' makes the browser refuse whatever isn't in the file itself.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
# A region that scrolls sideways can be reached with the keyboard.
WIDE = '<div class="wide" tabindex="0" role="region" aria-label="{name}">{body}</div>'
PHONE = 360  # points, up to which a plot is readable on a phone
WIDER = 'class="wider" '


def write(path, content):
    """Writes text or bytes to a file, completely or not at all."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(part, path)


def escape(text):
    """Returns text escaped so that Markdown shows it literally, also in a table."""
    text = re.sub(r"[\r\n]+", " ", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    # An underscore inside a word is not markup.
    return re.sub(r"([\\`*\[\]|]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", text)


def table(header, rows, align):
    """Returns a Markdown table; `align` has l or r for each column, the last letter also for all further ones."""
    rule = ["---" if side == "l" else "---:" for side in align.ljust(len(header), align[-1])]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [header, rule, *rows]) + "\n"


def show(estimate, form="{:.4f}", about=""):
    """Returns an Estimate as a table's cell, the interval below the value; empty for None."""
    if estimate is None:
        return ""
    ends = "" if estimate.low is None else f"<br>{form.format(estimate.low)} to {form.format(estimate.high)}"
    return f"{about}{form.format(estimate.value)}{ends}"


def show_change(estimate, line="<br>"):
    """Returns an Estimate of a difference as text, each number with its sign; the interval behind `line`."""
    value, *ends = ("" if number is None else f"{number:+.4f}" for number in estimate)
    interval = f"{ends[0]} to {ends[1]}"
    return value if estimate.low is None else value + line + (interval if line == "<br>" else f"({interval})")


def show_half(estimate):
    """Returns an Estimate as `value ± half the interval`, for a sentence."""
    half = "" if estimate.low is None else f" ± {(estimate.high - estimate.low) / 2:.4f}"
    return f"{estimate.value:.4f}{half}"


def show_p(p_value):
    return "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"


def to_html(text, folder):
    """Returns a Markdown text as an HTML page, with its pictures, SVG files in `folder`, embedded.

    What is wider than a phone scrolls by itself, also with the keyboard.
    """
    body = markdown.markdown(text, extensions=["tables", "toc"], output_format="html")
    numbers = itertools.count(1)
    body = re.sub(
        r"<table>.*?</table>",
        lambda match: WIDE.format(name=f"table {next(numbers)}", body=match[0]),
        body,
        flags=re.DOTALL,
    )

    def embed(match):
        svg = Path(folder, match[1]).read_bytes()
        wide = float(re.search(rb'<svg [^>]*?width="([\d.]+)pt"', svg, re.DOTALL)[1]) > PHONE
        data = base64.b64encode(svg).decode()
        return f'{WIDER * wide}src="data:image/svg+xml;base64,{data}"'

    body = re.sub(r"(?<=<img )[^>]*", lambda match: re.sub(r'src="([^":]+\.svg)"', embed, match[0]), body)
    body = re.sub(rf"<p>(<img [^>]*{WIDER}.*?)</p>", lambda match: WIDE.format(name="plots", body=match[1]), body)
    title = re.search(r"^# (.*)", text, re.MULTILINE)[1]
    style = Path(__file__).with_name("page.css").read_text().strip()
    return PAGE.format(title=title, style=style, body=body)
