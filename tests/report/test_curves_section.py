import math
import sys

import pytest

from keras_ssl.report.curves_section import _paint as paint
from keras_ssl.report.curves_section import curves_section
from tests.report.pages import HOSTILE, parsed

curves_section_module = sys.modules[curves_section.__module__]


def test_a_picture_for_each_name_with_its_last_value():
    page = parsed(curves_section({"loss": [3.0, 2.0, 1.25], "knn": [0.1, 0.2, 0.3], HOSTILE: [1.0, 2.0, 3.0]}))
    texts = [node.text for node in page.one("svg").all("text")]
    assert [text for text in texts if "1.2500" in text] == ["loss   1.2500"]
    assert "knn   0.3000" in texts and f"{HOSTILE}   3.0000" in texts
    assert "of 3" in page.one("p").text


def test_values_stand_at_their_epochs(monkeypatch):
    figures = []
    monkeypatch.setattr(curves_section_module, "_paint", lambda *a: figures.append(a[0]) or paint(*a))
    page = parsed(curves_section({"loss": [4.0, 3.0, 2.0, 1.0, 0.5], "knn": [None, 0.25, None, 0.5, None]}))
    loss, knn = (axes.lines[0].get_xydata().tolist() for axes in figures[0].axes)
    assert loss == [[1, 4], [2, 3], [3, 2], [4, 1], [5, 0.5]] and knn == [[2, 0.25], [4, 0.5]]
    assert "knn   0.5000" in [node.text for node in page.one("svg").all("text")]
    assert "of 5" in page.one("p").text and "Not finite" not in page.text


@pytest.mark.parametrize("values", [[1.0], [math.nan], [math.nan, 2.0, math.nan], [5.0, 5.0]])
def test_short_and_broken_curves(values):
    page = parsed(curves_section({"loss": values, "none": []}))
    assert page.one("svg")
    assert ("Not finite in some epochs: loss." in page.text) is any(math.isnan(value) for value in values)


@pytest.mark.parametrize("history", [None, {}, {"loss": []}, {"loss": [None, None]}])
def test_no_curves_are_a_sentence(history):
    page = parsed(curves_section(history))
    assert not list(page.all("svg")) and "There are no curves" in page.text
