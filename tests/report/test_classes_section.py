import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from keras_ssl.report import Part
from keras_ssl.report.classes_section import classes_section, confusion
from tests.report.pages import HOSTILE, parsed


def labelled(labels):
    return Part(np.ones((len(labels), 2)), labels=labels)


def rows(page):
    return [[cell.text for cell in row.children] for row in page.one("tbody").all("tr")]


def test_confusion_counts_pairs():
    truth, predicted = np.random.default_rng(0).integers(0, 4, (2, 100))
    expected = confusion_matrix(truth, predicted, labels=np.arange(5))
    np.testing.assert_array_equal(confusion(np.arange(5), truth, predicted), expected)


def test_table_and_picture_of_three_classes():
    train = labelled(["ant", "ant", "bee", "cat"])
    test = labelled(["ant", "ant", "ant", "bee"])
    page = parsed(classes_section(train, test, np.array(["ant", "cat", "cat", "bee"]), k=3))
    assert rows(page) == [
        ["ant", "2", "3", "33.3%", "", "cat (2)"],
        ["bee", "1", "1", "100.0%", "", ""],
        ["cat", "1", "0", "not tested", "", ""],
    ]
    assert "3 nearest neighbors: 2 of 4 right" in page.text
    texts = [node.text for node in page.one("svg").all("text")]
    assert sorted(texts) == ["1", "1", "2", "ant", "ant", "bee", "bee", "cat", "cat"]


@pytest.mark.parametrize("names", [["only"] * 4, [HOSTILE, "$x^", "", "long " * 20], [5, 5, 7, -3]])
def test_odd_names(names):
    page = parsed(classes_section(labelled(names), labelled(names), np.asarray(names), k=1))
    assert [row[0] for row in rows(page)] == [str(name) for name in np.unique(names)]
    assert {row[3] for row in rows(page)} == {"100.0%"}
    assert not list(page.all("script")) and not list(page.all("img"))


def test_many_classes_list_the_worst():
    names = np.arange(300)
    predicted = np.where(names < 7, 299, names)
    page = parsed(classes_section(labelled(names), labelled(names), predicted, k=1))
    assert "the 25 worst of 300" in page.text
    assert len(rows(page)) == 25 and [row[0] for row in rows(page)[:7]] == [str(name) for name in range(7)]
    assert len([*page.one("svg").all("text")]) < 30


def test_without_labels_it_is_a_sentence():
    page = parsed(classes_section(Part([[1.0]]), None, None, k=1))
    assert "no confusion matrix" in page.text and not list(page.all("svg"))
