import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from keras_ssl.report import Part
from keras_ssl.report.neighbors_section import check_queries, neighbors_section
from tests.report.pages import clusters, parsed


def strips(page):
    """For each strip the captions of its tiles."""
    return [[tile.one("figcaption") for tile in strip.all("figure")] for strip in page.all("div", class_="strip")]


def similarities(strip):
    return [float(caption.one("span").text) for caption in strip[1:]]


def test_neighbors_are_those_of_scikit_learn():
    train, test = clusters(90, seed=1), clusters(20, seed=2)
    page = parsed(neighbors_section(train, test, None, [4, 17], 0))
    search = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(train.features)
    distances, nearest = search.kneighbors(test.features[[4, 17]])
    for row, strip in enumerate(strips(page)):
        np.testing.assert_allclose(similarities(strip), 1 - distances[row], atol=6e-4)
        names = [caption.one("b").text for caption in strip[1:]]
        label = test.labels[(4, 17)[row]]
        assert names == [f"{'✓' if train.labels[n] == label else '✗'} {train.labels[n]}" for n in nearest[row]]
        assert strip[0].one("b").text == str(label) and strip[0].one("span").text == f"no. {(4, 17)[row]}"
    assert len(list(page.all("img"))) == 2 * 11


def test_marks_have_their_colors_class():
    train = Part([[1.0, 0.0], [0.9, 0.1]], labels=["a", "b"])
    page = parsed(neighbors_section(train, Part([[1.0, 0.0]], labels=["a"]), None, [0], 0))
    kinds = [figure.attributes["class"] for figure in page.all("figure")]
    assert kinds == ["tile query", "tile right", "tile wrong"]


def test_queries_are_drawn_and_some_of_those_voted_wrongly():
    train, test = clusters(40, seed=1), clusters(50, seed=2)
    predicted = test.labels.copy()
    predicted[[3, 8]] += 1
    page = parsed(neighbors_section(train, test, predicted, None, 5))
    assert [heading.text for heading in page.all("h3")] == ["Drawn with seed 5", "Of those voted wrongly"]
    queries = [strip[0].one("span").text for strip in strips(page)]
    assert len(queries) == 10 and queries[-2:] == ["no. 3", "no. 8"]
    assert neighbors_section(train, test, predicted, None, 5) == neighbors_section(train, test, predicted, None, 5)


@pytest.mark.parametrize("copies", [False, True])
def test_among_themselves_a_query_is_not_its_own_neighbor(copies):
    rng = np.random.default_rng(0)
    part = Part(np.ones((15, 3)) if copies else rng.normal(size=(15, 3)))
    page = parsed(neighbors_section(part, None, None, [14], 0))
    (strip,) = strips(page)
    found = similarities(strip)
    unit = part.features / np.linalg.norm(part.features, axis=1, keepdims=True)
    expected = np.sort((unit @ unit[14])[:14])[::-1][:10]
    np.testing.assert_allclose(found, expected, atol=6e-4)
    assert len(found) == 10 and not list(page.all("b"))


def test_fewer_samples_than_neighbors():
    page = parsed(neighbors_section(clusters(3), clusters(2, seed=4), None, None, 0))
    assert [len(strip) for strip in strips(page)] == [4, 4]
    page = parsed(neighbors_section(clusters(4, images=False), None, None, None, 0))
    assert [len(strip) for strip in strips(page)] == [4] * 4
    assert "the data hold one sample" in parsed(neighbors_section(clusters(1), None, None, None, 0)).text


def test_numbers_of_queries():
    check_queries(None, 1)
    check_queries([0, 4], 5)
    for wrong in ([5], [-1], [1.5]):
        with pytest.raises(ValueError, match="`queries` must be.*Received: queries="):
            check_queries(wrong, 5)
