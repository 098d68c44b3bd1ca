import re
import sys

import pytest

from keras_ssl.report.figure import INK, check_matplotlib, class_colors, draw
from tests.report.pages import HOSTILE, parsed


def paint(figure):
    axes = figure.add_subplot()
    axes.plot([0, 1], [2, 3])
    axes.set_title("cost: $5 or $6")
    axes.set_xlabel(HOSTILE)


def test_a_figure_is_one_element_in_the_colors_of_the_page():
    text = draw("a", "What it <shows>", (4, 3), paint)
    assert text.startswith("<svg") and text.endswith("</svg>")
    assert "http" not in text and INK not in text and "currentColor" in text
    page = parsed(text)
    assert page.one("svg").attributes["aria-label"] == "What it <shows>"
    texts = [node.text for node in page.all("text")]
    assert "cost: $5 or $6" in texts and HOSTILE in texts
    assert not list(page.all("script")) and not list(page.all("img"))


def test_references_lead_to_elements_of_the_same_figure_only():
    texts = [draw(name, "", (4, 3), paint) for name in ("a", "b")]
    names = [set(re.findall(r' id="([^"]+)"', text)) for text in texts]
    assert names[0] and not names[0] & names[1]
    for text, own in zip(texts, names, strict=True):
        assert set(re.findall(r'(?:url\(|href=")#([^")]+)', text)) <= own
    assert texts[0] == draw("a", "", (4, 3), paint)


@pytest.mark.parametrize("count", [1, 10, 11, 20, 21, 100])
def test_classes_have_different_colors(count):
    colors = class_colors(count)
    assert len(set(colors)) == count and all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    check_matplotlib()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'keras_ssl\[report\]'"):
        check_matplotlib()
