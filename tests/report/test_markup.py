import json

import pytest

from keras_ssl.report.markup import Markup, element, escaped, joined, json_block, section, sentence
from tests.report.pages import HOSTILE, parsed


def test_texts_and_attributes_are_escaped_and_come_back():
    page = parsed(element("p", HOSTILE, element("b", HOSTILE, title=HOSTILE)))
    paragraph = page.one("p")
    assert paragraph.text == HOSTILE * 2
    assert page.one("b").attributes == {"title": HOSTILE}
    assert not list(page.all("script")) and not list(page.all("img"))


def test_markup_is_taken_as_it_is_and_none_is_left_out():
    assert element("p", None, Markup("<b>x</b>"), 3, class_=None, data_value=0) == '<p data-value="0"><b>x</b>3</p>'
    assert element("img", src="a&b") == '<img src="a&amp;b">'
    assert joined(["<", Markup("<")]) == "&lt;<"
    assert section("a", "T", sentence("s")) == '<section id="a"><h2>T</h2><p class="remark">s</p></section>'


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "é✓"])
def test_every_text_can_be_written(text):
    assert escaped(text).encode("utf-8")
    assert "\0" not in escaped(text)


def test_data_for_scripts_cannot_end_its_element():
    block = json_block("d", {"text": HOSTILE})
    assert block.count("</script>") == 1
    assert json.loads(parsed(block).one("script", id="d").text) == {"text": HOSTILE}
