import json
import re

import numpy as np
import pytest

from keras_ssl import evaluation
from keras_ssl.report import Part, html_report
from tests.report.pages import HOSTILE, card, clusters, parsed

SECTIONS = ["results", "curves", "spectrum", "classes", "calibration", "map", "neighbors"]
RESULTS = {
    "model": "tiny",
    "data": "clusters",
    "train": 60,
    "test": 30,
    "a_interval": 0.1,
    "knn": 0.96,
    "seed": 0,
    "command": "python x",
}


def sections(page):
    return [node.attributes["id"] for node in page.all("section")]


def remarks(page, name):
    return " ".join(node.text for node in page.one("section", id=name).all("p", class_="remark"))


def addresses(page):
    """Whatever the page may load or lead to."""
    found = [value for node in page.all() for key, value in node.attributes.items() if key.endswith(("src", "href"))]
    styles = [node.attributes.get("style", "") for node in page.all()] + [node.text for node in page.all("style")]
    return found + [address for style in styles for address in re.findall(r"url\(([^)]*)\)", style)]


def test_the_whole_page_holds_what_it_shows():
    train, test = clusters(60, seed=1), clusters(30, seed=2)
    history = {"loss": [2.0, 1.0], "knn_accuracy": [0.5, 0.75]}
    text = html_report(RESULTS, train, test, card=card(), history=history, k=5)
    assert text.startswith("<!doctype html>")
    page = parsed(text.removeprefix("<!doctype html>"))
    assert sections(page) == [*SECTIONS, "card"]
    assert page.one("title").text == page.one("h1").text == "tiny on clusters"
    assert page.one("header").one("div", class_="tiles").one("b").text == "0.9600"
    assert len(list(page.all("svg"))) == 6 and len(list(page.all("img"))) > 50
    assert len(addresses(page)) > 50 and all(address.startswith(("data:", "#")) for address in addresses(page))
    assert "@import" not in text and "http://" not in text and "https://" not in text
    assert html_report(RESULTS, train, test, card=card(), history=history, k=5) == text


def test_numbers_are_those_of_the_functions():
    train, test = clusters(60, classes=4, seed=1, dimension=2), clusters(40, classes=4, seed=2, dimension=2)
    page = parsed(html_report(RESULTS, train, test, k=7, temperature=0.2))
    arguments = train.features, train.labels, test.features
    right = round(evaluation.knn_accuracy(*arguments, test.labels, 7, 0.2) * 40)
    assert 0 < right < 40
    assert f"{right} of 40 right" in remarks(page, "classes")
    predicted = evaluation.knn_predict(*arguments, 7, 0.2)
    texts = json.loads(page.one("script", id="map-data").text)["texts"]
    assert [text.split("voted ")[1] for text in texts] == [str(label) for label in predicted]
    for cell, digit in zip(page.all("td", data_accuracy=True), range(4), strict=True):
        mine = test.labels == digit
        assert float(cell.attributes["data-accuracy"]) == pytest.approx(np.mean(predicted[mine] == digit), abs=1e-12)


def test_unlabeled_data_leaves_out_what_needs_labels():
    page = parsed(html_report({"rankme": 2.5}, Part(clusters(30).features)))
    assert sections(page) == SECTIONS and page.one("h1").text == "Encoder"
    assert "needs labels" in remarks(page, "classes") and "no curves" in remarks(page, "curves")
    assert "✓" not in page.one("section", id="neighbors").text
    assert len(list(page.all("div", class_="strip"))) == 8


def test_labels_without_a_test_part():
    page = parsed(html_report({}, clusters(30)))
    assert "test part" in remarks(page, "classes") and "✓" in page.one("section", id="neighbors").text


@pytest.mark.parametrize(
    "train, test",
    [
        (clusters(20, classes=1), clusters(10, classes=1)),
        (clusters(20, names=["ant", "bee", "cat"]), clusters(10, names=["ant", "bee", "dog"])),
        (clusters(3), clusters(4)),  # fewer samples than neighbors
        (clusters(1), None),
        (Part(np.zeros((12, 4))), None),
        (Part(np.ones((12, 1)), np.zeros((12, 5, 5, 1)), [0] * 12), Part(np.ones((1, 1)), np.zeros((1, 5, 5, 1)), [1])),
        (Part(clusters(20).features, np.zeros((20, 7))), Part(clusters(9).features, np.zeros((9, 7)))),
        (Part(clusters(20).features.astype("float16"), np.zeros((20, 3, 3, 5))), None),
        (clusters(40, classes=35), clusters(36, classes=35)),
    ],
    ids="one_class strings few one_sample zeros gray no_images float16 many_classes".split(),
)
@pytest.mark.filterwarnings("error")
def test_odd_input(train, test):
    page = parsed(html_report({}, train, test))
    assert sections(page) == SECTIONS
    assert not re.search(r"\bnan\b", page.text)


def test_hostile_texts_stay_texts():
    names = [HOSTILE, "<b>", "$x_"]
    results = {**RESULTS, "model": HOSTILE, HOSTILE: 1.5, "command": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    history = {HOSTILE: [1.0, 2.0]}
    parts = (clusters(12, names=names), clusters(9, names=names))
    hostile = card(description=HOSTILE, license=HOSTILE, recipe={HOSTILE: {HOSTILE: HOSTILE}}, data=HOSTILE)
    page = parsed(html_report(results, *parts, card=hostile, history=history))
    assert sections(page) == [*SECTIONS, "card"]
    assert page.one("title").text == f"{HOSTILE} on clusters"
    assert len(list(page.all("script"))) == 2
    for node in page.all():
        assert not [key for key in node.attributes if key.startswith("on")]
    assert {node.attributes["src"][:5] for node in page.all("img")} == {"data:"}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"k": 0}, "k=0"),
        ({"points": 0}, "points=0"),
        ({"seed": -1}, "seed=-1"),
        ({"queries": [4]}, r"queries=\[4\]"),
        ({"test": Part(np.ones((4, 5)), labels=[0] * 4)}, r"test.features.shape=\(4, 5\)"),
        ({"test": Part(np.ones((4, 8)))}, "train.labels=array, test.labels=None"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        html_report({}, **{"train": clusters(9), "test": clusters(4), **change})
