import math

from keras_ssl.report.curves_section import curves_section
from keras_ssl.report.pseudo_labels_section import pseudo_labels_section, without_classes
from tests.report.pages import parsed

HISTORY = {
    "loss": [3.0, 2.0],
    "pseudo_label_precision": [0.5, 0.75],
    "pseudo_label_count_0": [1.0, 6.0],
    "pseudo_label_precision_0": [1.0, 0.5],
    "pseudo_label_count_1": [2.0, 1200.5],
    "pseudo_label_precision_1": [0.0, 1.0],
    "pseudo_label_count_2": [2.0, 0.0],
    "pseudo_label_precision_2": [0.0, math.nan],
}


def rows(page):
    return [[cell.text for cell in row.all() if cell.name in ("th", "td")][:4] for row in page.one("tbody").all("tr")]


def test_each_class_at_the_last_look():
    page = parsed(pseudo_labels_section(HISTORY))
    assert rows(page) == [
        ["0", "6", "0.5%", "50.0%"],
        ["1", "1,200.5", "99.5%", "100.0%"],
        ["2", "0", "0.0%", "none in use"],
    ]
    assert "1,206.5 pseudo-labels in use, 99.8% of them right" in page.one("p").text


def test_an_epoch_without_a_look_is_passed_over():
    history = {name: [*values, None] for name, values in HISTORY.items()}
    assert pseudo_labels_section(history) == pseudo_labels_section(HISTORY)


def test_of_many_classes_the_worst_are_listed():
    history = {f"pseudo_label_count_{c}": [10.0] for c in range(40)}
    history |= {f"pseudo_label_precision_{c}": [1.0 - 0.02 * c] for c in range(40)}
    page = parsed(pseudo_labels_section(history))
    assert [row[0] for row in rows(page)] == [str(c) for c in range(39, 14, -1)]
    assert "the 25 worst of 40 classes" in page.one("p").text


def test_none_in_use():
    page = parsed(pseudo_labels_section({"pseudo_label_count_0": [0.0], "pseudo_label_precision_0": [math.nan]}))
    assert "0 pseudo-labels in use, none in use" in page.text


def test_other_runs_have_no_such_section():
    assert pseudo_labels_section(None) is None and pseudo_labels_section({"loss": [1.0]}) is None


def test_curves_leave_single_classes_out():
    kept = without_classes(HISTORY)
    assert list(kept) == ["loss", "pseudo_label_precision"]
    texts = [node.text for node in parsed(curves_section(kept)).one("svg").all("text")]
    assert "pseudo_label_precision   0.7500" in texts
