"""The frame of every page: head, style, script, and a policy that loads nothing."""

import base64
import hashlib
from importlib import resources

from keras_ssl.report.markup import Markup, element


def whole_page(title: str, head: Markup, sections: Markup) -> str:
    """A whole HTML file, with its style and script inside."""
    folder = resources.files("keras_ssl.report")
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "map.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Nothing is loaded from anywhere, and no script runs but ours, whatever a card or a label holds.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=policy),
            element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            element("link", rel="icon", href="data:,"),
            element("title", title),
            element("style", Markup(style)),
        ),
        element("body", head, sections, element("script", Markup(script))),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"
