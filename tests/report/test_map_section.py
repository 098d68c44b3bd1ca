import json

import numpy as np
import pytest

from keras_ssl.report import Part
from keras_ssl.report.map_section import map_section, within_square
from keras_ssl.report.project import by_pca
from tests.report.pages import HOSTILE, clusters, parsed


def data_of(page):
    return json.loads(page.one("script", id="map-data").text)


def test_points_stand_where_the_picture_has_them():
    """The script's places and matplotlib's marks are the same points."""
    part = clusters(12)
    page = parsed(map_section(part, part.labels, 100, 0))
    data = data_of(page)
    assert len(data["maps"]) == len(list(page.all("div", class_="plane"))) == 2
    for places, picture in zip(data["maps"], page.all("svg"), strict=True):
        *_, width, height = map(float, picture.attributes["viewbox"].split())
        marks = [(float(mark.attributes["x"]), float(mark.attributes["y"])) for mark in picture.all("use")]
        np.testing.assert_allclose(np.array(places) * (width, height), marks, atol=0.05)


def test_places_are_those_of_the_principal_components():
    part = clusters(30)
    unit = part.features / np.linalg.norm(part.features, axis=1, keepdims=True)
    expected = by_pca(unit)[0]
    found = np.array(data_of(parsed(map_section(part, None, 100, 0)))["maps"][0]) * (1, -1)
    for axis in range(2):
        assert abs(np.corrcoef(found[:, axis], expected[:, axis])[0, 1]) == pytest.approx(1, abs=1e-3)


def test_texts_legend_and_pictures():
    part = clusters(9, names=["ant", "bee", HOSTILE])
    page = parsed(map_section(part, part.labels[::-1], 100, 0))
    data = data_of(page)
    assert data["texts"][1] == f"bee\nno. 1\nvoted {part.labels[-2]}"
    assert data["tile"] == [4, 6] and data["columns"] == 3
    assert page.one("i", class_="thumb").attributes["style"].startswith("background-image:url(data:image/jpeg;base64,")
    assert sorted(chip.text for chip in page.one("p", class_="legend").all("span")) == sorted(["ant", "bee", HOSTILE])
    assert not list(page.all("img"))


def test_no_more_points_than_asked_for():
    part = clusters(3000, dimension=4, images=False)
    page = parsed(map_section(part, None, 50, 1))
    data = data_of(page)
    numbers = [int(text.rsplit(" ", 1)[1]) for text in data["texts"]]
    assert len(set(numbers)) == 50 and numbers == sorted(numbers) and numbers[-1] > 2500
    assert [text.split("\n")[0] for text in data["texts"]] == [str(part.labels[number]) for number in numbers]
    assert "3,000 features" in page.text and "50 of them are shown, drawn with seed 1" in page.text


def test_unlabeled_and_without_images():
    page = parsed(map_section(Part(np.random.default_rng(0).normal(size=(7, 3))), None, 100, 0))
    data = data_of(page)
    assert data["texts"][:2] == ["no. 0", "no. 1"] and data["tile"] is None
    assert not list(page.all("p", class_="legend"))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_few_for_tsne(count):
    page = parsed(map_section(clusters(count), None, 100, 0))
    assert len(data_of(page)["maps"]) == 1 and "too few samples for t-SNE" in page.text


def test_within_square():
    square = within_square(np.array([[0.0, 0.0], [10.0, 5.0]]))
    np.testing.assert_allclose(square, [[-1, -0.5], [1, 0.5]])
    np.testing.assert_allclose(within_square(np.full((3, 2), 7.0)), np.zeros((3, 2)))
