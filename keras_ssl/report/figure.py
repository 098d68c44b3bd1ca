"""Figures by matplotlib, as SVG that stands in the page and takes its colors."""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_ssl.report.markup import Markup, escaped

INK = "#010203"  # stands for the color of the page's text, which is light on a dark page
ACCENT = "#2a78b8"
_STYLE: dict[Any, Any] = {  # Matplotlib types its settings by their names
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "font.size": 8.5,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "svg.fonttype": "none",  # text stays text: it is small, found by a search, and set in the page's font
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a label is a dollar
    "xtick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.major.width": 0.6,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def check_matplotlib() -> None:
    """Raises an `ImportError` that says what to install where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "A report is drawn by matplotlib, which is not installed: pip install 'keras_ssl[report]'"
        ) from error


def draw(name: str, description: str, size: tuple[float, float], paint: Callable[[Any], None]) -> Markup:
    """The SVG element of a figure.

    Args:
        name: distinguishes its identifiers from those of other figures of the page.
        description: for those who do not see it.
        size: width and height in inches; where there is less room, the page scales it down.
        paint: draws on the `matplotlib.figure.Figure` that it is given.
    """
    check_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has the font
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=_NO_METADATA)
    return _inline(stream.getvalue(), description, size[0])


def class_colors(count: int) -> list[str]:
    """A color for each of `count` classes; as far apart as they can be, which of more than 20 is not far."""
    check_matplotlib()
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if count <= 20:
        palette = colormaps["tab10" if count <= 10 else "tab20"]
        return [to_hex(palette(number)) for number in range(count)]
    return [to_hex(colormaps["turbo"](place)) for place in np.linspace(0.05, 0.95, count)]


def _inline(svg: str, description: str, width: float) -> Markup:
    """What `savefig` wrote as an element of an HTML page: no prologue, namespaces or names of its own."""
    svg = svg[svg.index("<svg") :]
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r"\s*\n\s*", "\n", body).replace(INK, "currentColor")
    size = f'style="max-width:{round(96 * width)}px" {box.group() if box else ""}'
    return Markup(f'<svg {size} role="img" aria-label="{escaped(description)}">{body.strip()}')
