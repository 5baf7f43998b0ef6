"""Writes Markdown tables, and a Markdown page with its pictures as one self-contained HTML file."""

import base64
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


def write(path, content):
    """Writes text or bytes to a file, completely or not at all."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(part, path)


def escape(text):
    """Returns text escaped so that Markdown shows it literally, also in a table."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    # An underscore inside a word is not markup.
    return re.sub(r"([\\`*\[\]|]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", text)


def table(header, rows, align):
    """Returns a Markdown table; `align` has l or r for each column, the last letter also for all further ones."""
    rule = ["---" if side == "l" else "---:" for side in align.ljust(len(header), align[-1])]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [header, rule, *rows]) + "\n"


def to_html(text, folder):
    """Returns a Markdown text as an HTML page, with its pictures, SVG files in `folder`, embedded."""
    body = markdown.markdown(text, extensions=["tables", "toc"], output_format="html")
    body = re.sub(r"<table>.*?</table>", r'<div class="wide">\g<0></div>', body, flags=re.DOTALL)

    def embed(match):
        data = base64.b64encode(Path(folder, match[1]).read_bytes()).decode()
        return f'src="data:image/svg+xml;base64,{data}"'

    body = re.sub(r"(?<=<img )[^>]*", lambda match: re.sub(r'src="([^":]+\.svg)"', embed, match[0]), body)
    title = re.search(r"^# (.*)", text, re.MULTILINE)[1]
    style = Path(__file__).with_name("page.css").read_text().strip()
    return PAGE.format(title=title, style=style, body=body)
