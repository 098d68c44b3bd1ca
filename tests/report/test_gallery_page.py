"""A page of pictures in groups."""

import numpy as np
import pytest

from keras_ssl.report import Shown, gallery_page
from tests.report.pages import parsed

pytestmark = pytest.mark.once
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 10, 12, 3), "uint8")
GROUPS = [("One <b>", [Shown(4, "kept", "a.png", True), Shown(2, "0.5", "b&c.png")]), ("Two", [Shown(8, "x")])]


def test_pictures_stand_in_their_groups():
    asked = []

    def read(rows):
        asked.extend(rows.tolist())
        return IMAGES[rows]

    page = parsed(gallery_page("A title", "A remark.", read, GROUPS))
    assert sorted(asked) == [2, 4, 8]  # no other picture is read
    assert page.one("h1").text == "A title"
    assert [heading.text for heading in page.all("h3")] == ["One <b>", "Two"]
    strips = list(page.all("div", class_="strip"))
    captions = [[caption.one("b").text for caption in strip.all("figcaption")] for strip in strips]
    assert captions == [["kept", "0.5"], ["x"]]
    assert [figure.attributes["class"] for figure in strips[0].all("figure")] == ["tile query", "tile"]
    sources = [image.attributes["src"] for image in page.all("img")]
    assert len(set(sources)) == 3 and all(source.startswith("data:image/") for source in sources)


def test_without_pictures_and_with_too_many_groups():
    text = gallery_page("A title", "", None, GROUPS * 3, most=4)
    page = parsed(text)
    assert not list(page.all("img")) and len(list(page.all("h3"))) == 4
    assert "2 more groups" in text and "http" not in text.replace('http-equiv="', "")
    with pytest.raises(ValueError, match="most=0"):
        gallery_page("", "", None, [], most=0)
