"""One meaning of -1 in every public function that takes labels: the sample takes no part, in learning or scoring.

What is public and takes labels, and is in neither table, fails `test_no_function_is_forgotten`.
"""

import inspect

import keras
import numpy as np
import pytest

from keras_ssl import callbacks
from keras_ssl import evaluation as e
from keras_ssl.callbacks.online_evaluation import labelled_split
from keras_ssl.report import Part

ROWS = 60
QUERIES = np.random.default_rng(1).standard_normal((9, 4))


def probed(probe):
    """What a classifier predicts and scores."""
    return lambda x, y: [*probe().fit(x, y).predict(QUERIES), probe().fit(x, y).score(x, y)]


def streamed(probe):
    """The same in two parts, the first of which may hold no label at all."""

    def learn(x, y):
        learned = probe().partial_fit(x[:30], y[:30])
        if len(x) > 30:
            learned = learned.partial_fit(x[30:], y[30:])
        return [*learned.predict(QUERIES), learned.score(x, y)]

    return learn


def model():
    return keras.Sequential([keras.layers.Input((2, 2, 1)), keras.layers.Flatten()])


def finetuned(x, y):
    images = np.tanh(x[:, :4]).reshape(-1, 2, 2, 1)
    with_seed = e.finetune(model(), images, y, images, y, fraction=0.5, epochs=2, batch_size=8)
    return [with_seed.accuracy, with_seed.samples]


# Of features [N, D] and labels [N]: numbers that must be those of the labeled samples alone.
TAKES_LABELS = {
    "NaiveBayesProbe": probed(e.NaiveBayesProbe),
    "NearestMeanClassifier": probed(e.NearestMeanClassifier),
    "RecursiveRidge": probed(e.RecursiveRidge),
    "TransductiveFewShot": probed(e.TransductiveFewShot),
    "balanced_accuracy": lambda x, y: e.balanced_accuracy(y, np.where(y == 0, 0, 1)),
    "class_recall": lambda x, y: sorted(e.class_recall(y, np.where(y == 0, 0, 1)).items()),
    "few_shot": lambda x, y: e.few_shot(x, y, ways=2, shots=1, queries=2, episodes=5).accuracy,
    "finetune": finetuned,
    "intrinsic_dimension": lambda x, y: e.intrinsic_dimension(x, y, x, y),
    "knn_accuracy": lambda x, y: e.knn_accuracy(x, y, x, y, k=5),
    "knn_predict": lambda x, y: e.knn_predict(x, y, np.arange(8.0).reshape(2, 4), k=5),
    "knn_probabilities": lambda x, y: e.knn_probabilities(x, y, np.arange(8.0).reshape(2, 4), k=5).ravel(),
    "linear_probabilities": lambda x, y: e.linear_probabilities(x, y, np.arange(8.0).reshape(2, 4)).ravel(),
    "linear_predict": lambda x, y: e.linear_predict(x, y, np.arange(8.0).reshape(2, 4)),
    "linear_probe": lambda x, y: e.linear_probe(x, y, x, y),
    "linear_probe_grid": lambda x, y: e.linear_probe_grid(x, y, x, y, regularizations=[0.1, 1]).accuracy,
    "linear_probe_sgd": lambda x, y: e.linear_probe_sgd(x, y, x, y, epochs=2),
    "retrieval": lambda x, y: list(e.retrieval(x, y, ks=[1]).values()),
    "stratified_subset": lambda x, y: x[e.stratified_subset(y, 1.0)],
    "tolerance": lambda x, y: e.tolerance(x, y),
}
MORE = {
    "retrieval with queries": lambda x, y: list(e.retrieval(x, y, x, y, ks=[1]).values()),
    "streamed": streamed(e.NearestMeanClassifier),
    "streamed ridge": streamed(e.RecursiveRidge),
}
# Their `labels` or `groups` are something else: pixels of a frame (tested below), and which sample a view is of.
OTHER = {"label_propagation", "lidar", "video_segmentation"}


def public_functions_that_take_labels():
    for name in e.__all__:
        member = getattr(e, name)
        functions = [member] if not inspect.isclass(member) else [getattr(member, "fit", None)]
        for function in filter(None, functions):
            if any("label" in argument for argument in inspect.signature(function).parameters):
                yield name


def test_no_function_is_forgotten():
    assert set(public_functions_that_take_labels()) - set(e._more) <= {*TAKES_LABELS, *OTHER}


def data(kind="int64"):
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS) % 3
    features = 2 * np.eye(3, 4)[labels] + rng.standard_normal((ROWS, 4))
    labels = labels.astype(kind)
    labels[::2] = -1
    # An answer that learned from them, or counted them, is another one.
    features[::2] = 5 - 9 * features[::2]
    return features, labels


@pytest.mark.parametrize("name", [*TAKES_LABELS, *MORE])
def test_unlabeled_samples_take_no_part(name):
    x, y = data()
    known = y != -1
    evaluate = {**TAKES_LABELS, **MORE}[name]
    np.testing.assert_array_equal(evaluate(x, y), evaluate(x[known], y[known]))


@pytest.mark.parametrize("name", sorted({*TAKES_LABELS}))
def test_no_label_at_all_is_an_error(name):
    x, y = data()
    with pytest.raises(ValueError, match="must hold a label other than -1.*Received: "):
        TAKES_LABELS[name](x, np.full_like(y, -1))


@pytest.mark.parametrize("name", sorted({*TAKES_LABELS}))
def test_a_column_of_labels_is_taken(name):
    """`keras.datasets` gives labels [N, 1]."""
    x, y = data()
    known = y != -1
    np.testing.assert_array_equal(
        TAKES_LABELS[name](x[known], Column(y[known])), TAKES_LABELS[name](x[known], y[known])
    )


@pytest.mark.parametrize("name", sorted({*TAKES_LABELS}))
def test_one_hot_labels_are_told_to_use_argmax(name):
    x, y = data()
    with pytest.raises(ValueError, match=r"argmax\(axis=1\)`. Received: .*shape=\(60, 3\)"):
        TAKES_LABELS[name](x, OneHot(np.eye(3)[y]))


class Column:
    """Labels that are a column wherever a function converts them, and a row for the table's own arithmetic."""

    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def __array__(self, dtype=None, copy=None):
        return self.labels[:, np.newaxis]

    def __eq__(self, other):
        return self.labels == other

    def __getitem__(self, rows):
        return type(self)(self.labels[rows])

    __hash__ = None


class OneHot(Column):
    def __array__(self, dtype=None, copy=None):
        return self.labels

    def __eq__(self, other):
        return self.labels.argmax(axis=1) == other


def test_a_strings_minus_one_is_a_class_like_any_other():
    x, y = data()
    assert e.knn_predict(x, y.astype(str), x[:1], k=1).tolist() == ["-1"]


def test_unsigned_labels_have_no_minus_one():
    x, _ = data()
    assert e.knn_accuracy(x, np.full(ROWS, 255, "uint8"), x, np.full(ROWS, 255, "uint8"), k=1) == 1.0


def test_places_without_a_label_vote_for_no_class():
    place = np.eye(4)[np.arange(4)][np.newaxis]
    frames = np.stack([place, np.roll(place, 1, axis=1)])
    found = e.label_propagation(frames, [[-1, 7, 2, -1]], temperature=0.01, k=1)
    assert found.tolist() == [[[-1, 7, 2, -1]], [[-1, -1, 7, 2]]]
    # In a larger neighborhood what is labeled decides alone.
    assert -1 not in e.label_propagation(frames, [[-1, 7, 2, -1]], k=4)[1]


def test_places_without_a_label_are_not_scored():
    true = np.zeros((3, 8, 8), int)
    true[:, 2:5, 2:5] = 1
    found, hidden = true.copy(), true.copy()
    found[:, 6:] = 1  # wrong, where nobody knows
    hidden[:, 6:] = -1
    assert e.video_segmentation(found, true)["J"] < 1
    assert e.video_segmentation(found, hidden) == {"J": 1.0, "F": 1.0, "J&F": 1.0}


@pytest.mark.parametrize("form", [lambda y: y, lambda y: y[:, np.newaxis]])
def test_callbacks_leave_them_out_too(form):
    x, y = data()
    images = x.reshape(ROWS, 2, 2, 1)
    known = y != -1
    for given, expected in zip(
        labelled_split(images, form(y), images, form(y)),
        labelled_split(images[known], y[known], images[known], y[known]),
        strict=True,
    ):
        np.testing.assert_array_equal(given, expected)
    online = callbacks.OnlineKNN(images, form(y), k=3)
    assert len(online.y_train) + len(online.y_test) == known.sum() and -1 not in online.y_train
    with pytest.raises(ValueError, match="other than -1"):
        callbacks.OnlineLinearProbe(images, np.full(ROWS, -1))
    with pytest.raises(ValueError, match="argmax"):
        callbacks.OnlineKNN(images, np.eye(3)[y])


def test_the_report_scores_labeled_samples_only():
    pytest.importorskip("matplotlib")
    from keras_ssl.report import html_report

    x, y = data()
    known = y != -1
    page = html_report({"model": "m"}, Part(x, labels=y), Part(x, labels=y), k=3)
    right = round(30 * e.knn_accuracy(x[known], y[known], x[known], y[known], k=3))
    assert f"{right} of 30 right" in page
    assert Part(x, labels=np.full(ROWS, -1)).labels is None
