"""HTML in which every text is escaped unless it is HTML already."""

import html
import json
from typing import Any

_VOID = ("img", "link", "meta")  # elements without an end tag


class Markup(str):
    """Text that is HTML: `element` takes it as it is."""


def element(name: str, *children: Any, **attributes: Any) -> Markup:
    """The HTML element `name`, children and attributes escaped.

    Children that are `Markup` are taken as they are; None is left out. Of an attribute's name a last underscore is
    dropped and the others become hyphens; its value None leaves it out.

    Example:

    >>> print(element("p", "1 < 2 ", element("b", "&"), class_="big"))
    <p class="big">1 &lt; 2 <b>&amp;</b></p>
    """
    pairs = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None]
    start = "".join([f"<{name}", *(f' {key}="{escaped(value)}"' for key, value in pairs), ">"])
    return Markup(start if name in _VOID else f"{start}{joined(children)}</{name}>")


def joined(children: Any) -> Markup:
    """Children of an element, escaped where they are not `Markup`, one after the other."""
    return Markup("".join(escaped(child) for child in children if child is not None))


def section(identifier: str, title: str, *children: Any) -> Markup:
    """A section of the page under a heading."""
    return element("section", element("h2", title), *children, id=identifier)


def sentence(*children: Any) -> Markup:
    """A remark under a heading or a picture."""
    return element("p", *children, class_="remark")


def json_block(identifier: str, value: Any) -> Markup:
    """Data for the page's script: JSON that cannot end its own element."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return element("script", Markup(text), id=identifier, type="application/json")


def escaped(value: Any) -> str:
    """The text of a value for an element or a quoted attribute; what UTF-8 cannot hold becomes a question mark."""
    if isinstance(value, Markup):
        return value
    return html.escape(str(value)).replace("\0", "?").encode("utf-8", "replace").decode("utf-8")
