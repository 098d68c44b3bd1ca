"""A picture with two lines below it."""

from keras_ssl.report.markup import Markup, element


def tile(below: str, label: object, picture: str | None, kind: str) -> Markup:
    """A sample: its picture if there is one, its mark and class, and a line below."""
    mark = {"right": "✓ ", "wrong": "✗ "}.get(kind, "")
    text = "" if label is None else f"{mark}{label}"
    return element(
        "figure",
        None if picture is None else element("img", src=picture, alt=text or below),
        element("figcaption", element("b", text) if text else None, element("span", below)),
        class_=f"tile {kind}".strip(),
    )
