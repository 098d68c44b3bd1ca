import numpy as np
import pytest

from keras_ssl import evaluation
from keras_ssl.report import Part, html_report
from keras_ssl.report.calibration_section import calibration_figures, calibration_section
from tests.report.pages import HOSTILE, clusters, parsed


def figures(page):
    cells = page.all("td", data_name=True)
    return [(cell.attributes["data-name"], float(cell.attributes["data-value"])) for cell in cells]


def slow(p, columns, bins=15):
    """Expected and largest gap, sample by sample."""
    members = [[] for _ in range(bins)]
    for row, column in zip(p, columns, strict=True):
        place = 0
        while row.max() > (place + 1) / bins + 1e-12:
            place += 1
        members[place].append((row.max(), float(row.argmax() == column)))
    gaps = [(len(part), abs(np.mean([c for c, _ in part]) - np.mean([a for _, a in part]))) for part in members if part]
    return sum(count * gap for count, gap in gaps) / len(p), max(gap for _, gap in gaps)


def test_figures_are_those_of_the_distributions_given():
    rng = np.random.default_rng(0)
    train, test = clusters(60, classes=3, seed=1), clusters(50, classes=3, seed=2)
    p = rng.dirichlet(np.ones(3), size=50)
    page = parsed(calibration_section(train, test, {"mine": p}))
    expected, largest = slow(p, np.searchsorted(np.unique(train.labels), test.labels))
    found = dict(figures(page))
    assert found["expected_calibration_error"] == pytest.approx(expected, abs=1e-9)
    assert found["largest_gap"] == pytest.approx(largest, abs=1e-9)
    assert found["confidence"] == pytest.approx(p.max(axis=1).mean())
    assert len([*page.all("svg")]) == 1 and page.one("h3").text == "Mine"


def test_the_report_shows_neighbors_and_what_is_given():
    train, test = clusters(60, classes=3, seed=1), clusters(50, classes=3, seed=2)
    linear = evaluation.linear_probabilities(train.features, train.labels, test.features)
    page = parsed(html_report({}, train, test, probabilities={"linear": linear}, k=5, temperature=0.5))
    part = page.one("section", id="calibration")
    assert [title.text for title in part.all("h3")] == ["The nearest neighbors' vote", "The linear classifier"]
    votes = evaluation.knn_probabilities(train.features, train.labels, test.features, 5, 0.5)
    expected = [*calibration_figures(train.labels, test.labels, votes).items()]
    expected += calibration_figures(train.labels, test.labels, linear).items()
    assert [name for name, _ in figures(part)] == [name for name, _ in expected]
    np.testing.assert_allclose([value for _, value in figures(part)], [value for _, value in expected])
    assert np.isclose(expected[1][1], evaluation.knn_accuracy(*both(train), *both(test), 5, 0.5))


def both(part):
    return part.features, part.labels


def test_unlabeled_samples_take_no_part_and_unknown_classes_are_mistakes():
    train = np.array(["a", "b", "-1"])
    found = calibration_figures([0, 1, -1], np.array([0, 1, -1, 7]), [[0.8, 0.2], [0.8, 0.2], [0, 1], [0, 1]])
    assert found["accuracy"] == pytest.approx(1 / 3) and found["confidence"] == pytest.approx(2.6 / 3)
    # The two of 0.8 are right half of the time; the one of 1.0 never.
    assert found["expected_calibration_error"] == pytest.approx((2 * 0.3 + 1.0) / 3)
    assert calibration_figures(train[:1], train[:1], [[1.0]])["expected_calibration_error"] == 0.0


def test_odd_names_and_one_class():
    part = Part(np.ones((4, 2)), labels=[HOSTILE] * 4)
    page = parsed(calibration_section(part, part, {HOSTILE: np.ones((4, 1))}))
    assert dict(figures(page))["expected_calibration_error"] == 0.0 and not [*page.all("script")]


@pytest.mark.parametrize("test", [None, Part(np.ones((3, 2)))])
def test_without_labels_it_is_a_sentence(test):
    page = parsed(calibration_section(Part(np.ones((3, 2)), labels=[0, 1, 1]), test, {"knn": None}))
    assert "no reliability diagram" in page.text and not [*page.all("svg")]


@pytest.mark.parametrize("shares", [np.ones((3, 2)), np.ones((4, 3)) / 3, np.full((4, 2), np.nan), np.ones((4, 2))])
def test_refuses(shares):
    part = Part(np.ones((4, 2)), labels=[0, 0, 1, 1])
    with pytest.raises(ValueError, match="Received: "):
        calibration_section(part, part, {"mine": shares})
