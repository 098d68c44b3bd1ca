"""Which images to label: the strategies by name, what is labeled already, and what is refused."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.cli.choose_labels import check_not_filled
from keras_ssl.data import KCenter, Typicality, Uncertainty
from keras_ssl.evaluation import linear_probabilities
from keras_ssl.workflows import choose_labels
from keras_ssl.workflows.choose_labels import read_labels

X, Y = keras_ssl.data.colored_digits("train", count=120)
MODEL = "barlow_digits"


@pytest.fixture(scope="module")
def features():
    return keras_ssl.embed(MODEL, X)


def rows(chosen):
    assert [item.rank for item in chosen] == list(range(1, len(chosen) + 1))
    assert [item.name for item in chosen] == [str(item.row) for item in chosen]
    return [item.row for item in chosen]


def given(count):
    return {str(number): str(Y[number]) for number in range(count)}


def test_strategies_are_those_of_the_selectors(features):
    assert rows(choose_labels(X, MODEL, 9)) == Typicality(9).select(features).tolist()
    assert rows(choose_labels(X, MODEL, 9, by="k_center")) == KCenter(9).select(features).tolist()


def test_labeled_images_are_not_chosen_again(features):
    known = given(30)
    for by in ("typicality", "k_center", "uncertainty"):
        chosen = choose_labels(X, MODEL, 90, by=by, labels=known)
        assert sorted(rows(chosen)) == list(range(30, 120))
    shares = linear_probabilities(features[:30], Y[:30].astype(str), features)
    chosen = choose_labels(X, MODEL, 12, by="uncertainty", labels=known)
    assert rows(chosen) == Uncertainty(12).select(shares, range(30)).tolist()
    kinds = np.unique(Y[:30].astype(str))
    assert [item.guess for item in chosen] == kinds[shares.argmax(axis=1)][rows(chosen)].tolist()
    unsure = [item.uncertainty for item in chosen]
    assert unsure == sorted(unsure, reverse=True)


def test_few_labels_ask_for_typical_images_and_more_for_uncertain_ones():
    few = choose_labels(X, MODEL, 5, labels=given(20))
    assert rows(few) == rows(choose_labels(X, MODEL, 5, by="typicality", labels=given(20)))
    two = {name: str(int(kind) % 2) for name, kind in given(20).items()}
    assert rows(choose_labels(X, MODEL, 5, labels=two)) == rows(
        choose_labels(X, MODEL, 5, by="uncertainty", labels=two)
    )


def test_labels_of_a_file(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("rank,name,label\n1,3,cat\n2,4,\n3,5,dog\n", encoding="utf-8")
    chosen = choose_labels(X, MODEL, 118, labels=path)
    assert set(rows(chosen)) == set(range(120)) - {3, 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count=0"),
        ({"count": 121}, "at most 120.* Received: count=121"),
        ({"count": 5, "by": "chance"}, "by='chance'"),
        ({"count": 5, "by": "uncertainty"}, "0 classes"),
        ({"count": 5, "labels": {"500": "cat"}}, "labels with '500'"),
        ({"count": 5, "labels": "none.csv"}, "labels='none.csv'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        choose_labels(X, MODEL, **arguments)


def test_refuses_a_table_without_labels(tmp_path):
    (tmp_path / "a.csv").write_text("name,class\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="it has the columns name, class"):
        choose_labels(X, MODEL, 5, labels=tmp_path / "a.csv")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_tables_as_spreadsheets_write_them(tmp_path, mark, sign):
    path = tmp_path / "a.csv"
    rows = [("rank", "name", "label"), ("1", "3", " cat "), ("2", "4", ""), ("3", "5", "  "), ("4", "6", "dog")]
    path.write_text(mark + "\n".join(sign.join(row) for row in rows), encoding="utf-8")
    assert read_labels(path) == {"3": "cat", "6": "dog"}


def test_a_table_that_is_filled_in_is_not_replaced(tmp_path):
    check_not_filled(None)
    path = tmp_path / "a.csv"
    check_not_filled(str(path))
    for text in ("rank,name,label\n1,3,\n2,4,\n", "something else"):
        path.write_text(text, encoding="utf-8")
        check_not_filled(str(path))
    path.write_text("rank,name,label\n1,3,cat\n2,4,\n", encoding="utf-8")
    with pytest.raises(ValueError, match="`out` holds 1 labels that were filled in"):
        check_not_filled(str(path))
