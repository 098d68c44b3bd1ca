"""The index of a published tree: what it holds, for programs and for people."""

import html
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from keras_ssl.hub.card import CARD_NAME, Card
from keras_ssl.hub.card_text import architecture_text, size_text

INDEX_FORMAT = 1

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pretrained encoders for keras_ssl</title>
<style>
body {{ font-family: sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; line-height: 1.4; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .4em .8em; border-bottom: 1px solid #8884; }}
code {{ font-size: 90%; overflow-wrap: anywhere; }}
</style>
<h1>Pretrained encoders</h1>
<p>To download from here, set <code>KERAS_SSL_ZOO</code> to this page's address; then
<code>keras_ssl.load("{example}")</code>. For programs: <a href="index.json">index.json</a>.</p>
<table>
<tr><th>name</th><th>architecture</th><th>license</th><th>what it is</th><th>files</th></tr>
{rows}
</table>
</html>
"""
_ROW = """\
<tr><td><a href="{link}">{name}</a></td><td>{architecture}</td><td>{license}</td><td>{description}</td>
<td>{files}</td></tr>"""
_FILE = """<a href="{link}">{name}</a> {size}<br><code>sha256 {sha256}</code>"""


def index_texts(folder: Path) -> dict[str, str]:
    """`index.json` and `index.html` of a tree, by name: every folder in it that has a card.

    Raises:
        ValueError: if a card in the tree is not valid.
    """
    cards = {path.parent.name: Card.read(path) for path in sorted(folder.glob(f"*/{CARD_NAME}"))}
    entries = {name: _record(name, card, folder / name) for name, card in cards.items()}
    rows = "\n".join(_row(name, entry) for name, entry in entries.items())
    return {
        "index.json": json.dumps({"format": INDEX_FORMAT, "entries": entries}, indent=1) + "\n",
        "index.html": _PAGE.format(rows=rows, example=html.escape(next(iter(entries), "name"))),
    }


def _record(name: str, card: Card, folder: Path) -> dict[str, Any]:
    """What the index says of an entry: only of files that are in the tree."""
    return {
        "card": f"{name}/{CARD_NAME}",
        "architecture": architecture_text(card),
        "license": card.license,
        "description": card.description,
        "files": [
            {"path": f"{name}/{file.name}", "size": file.size, "sha256": file.sha256}
            for file in card.files
            if os.path.isfile(folder / file.name)
        ],
    }


def _row(name: str, entry: dict[str, Any]) -> str:
    files = "<br>".join(
        _FILE.format(
            link=quote(file["path"]),
            name=html.escape(file["path"].split("/", 1)[1]),
            size=size_text(file["size"]),
            sha256=file["sha256"][:16],
        )
        for file in entry["files"]
    )
    texts = {key: html.escape(entry[key]) for key in ("architecture", "license", "description")}
    return _ROW.format(link=quote(entry["card"]), name=html.escape(name), files=files, **texts)
