"""What FixMatch computes: a slow reference, limits, gradients of unconfident samples."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.pseudo_label_loss import pseudo_label_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from keras_ssl.training.labelled_model import accuracy_term, label_losses
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

LABELS = np.array([1, -1, 0, -1, -1, 2, -1], "int32")


def slow(weak, strong, labels, threshold, weight):
    """Sample by sample, in float64."""
    supervised, unsupervised, confident = [], [], []
    for w, s, y in zip(weak.astype("float64"), strong.astype("float64"), labels, strict=True):
        p = np.exp(w - w.max()) / np.exp(w - w.max()).sum()
        if y >= 0:
            supervised.append(-np.log(p[y]))
        else:
            q = s - s.max() - np.log(np.exp(s - s.max()).sum())
            confident.append(p.max() >= threshold)
            unsupervised.append(-q[p.argmax()] if p.max() >= threshold else 0.0)
    return np.mean(supervised) + weight * np.mean(unsupervised), np.mean(confident)


def outcome(model, weak, strong, labels):
    z = {"features": draws(len(weak), 4), "weak": weak, "strong": strong, "y": labels}
    return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(len(weak)))


@pytest.mark.parametrize(("threshold", "weight"), [(0.5, 1.0), (0.7, 0.3)])
def test_equals_the_reference(threshold, weight):
    weak, strong = 2 * draws(7, 3), draws(7, 3, seed=1)
    found = outcome(
        tiny_model("FixMatch", classes=3, threshold=threshold, unlabeled_weight=weight), weak, strong, LABELS
    )
    loss, confident = slow(weak, strong, LABELS, threshold, weight)
    assert value(found.loss) == pytest.approx(loss, rel=1e-5)
    assert value(found.logs["confident"]) == pytest.approx(confident)
    accuracy = np.mean([weak[k].argmax() == LABELS[k] for k in (0, 2, 5)])
    assert value(found.logs["accuracy"]) == pytest.approx(accuracy)


def test_weight_zero_is_supervised_training():
    model = tiny_model("FixMatch", classes=3, unlabeled_weight=0.0)
    weak = draws(7, 3)
    found = outcome(model, weak, draws(7, 3, seed=1), LABELS)
    losses, labeled = label_losses(weak, LABELS)
    assert value(found.loss) == pytest.approx(float(np.sum(losses) / np.sum(labeled)), rel=1e-6)


def test_a_batch_without_labels_has_no_supervised_loss():
    found = outcome(tiny_model("FixMatch", classes=3), draws(4, 3), draws(4, 3, seed=1), np.full(4, -1, "int32"))
    assert value(found.logs["supervised"]) == 0.0 and np.isfinite(value(found.loss))


def test_no_gradient_of_unconfident_samples_nor_of_the_weak_view():
    weak, strong = np.array([[9.0, 0, 0], [0.1, 0, 0]], "float32"), draws(2, 3)
    _, (of_weak, of_strong) = differentiate(lambda w, s: keras.ops.sum(pseudo_label_loss(w, s, 0.95)[0]), weak, strong)
    assert not np.any(of_weak) and np.any(of_strong[0]) and not np.any(of_strong[1])


def test_accuracy_counts_labeled_samples_only():
    term = accuracy_term(np.array([[2.0, 1], [2, 1], [0, 1]], "float32"), np.array([0, 1, -1]))
    assert term.coefficient == 0.0
    assert np.asarray(term.weights).tolist() == [1, 1, 0] and np.asarray(term.values).tolist()[:2] == [1, 0]


def test_predicts_logits_and_features():
    model = tiny_model("FixMatch", classes=5)
    x = np.zeros((3, 16, 16, 3), "uint8")
    assert model.predict(x, verbose=0).shape == (3, 5) and tuple(model.features(x).shape) == (3, 16)
    np.testing.assert_allclose(np.asarray(model.classify(model.features(x))), model.predict(x, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"classes": 1}, "classes=1"), ({"threshold": 1.5}, "threshold=1.5"), ({"unlabeled_weight": -1}, "weight=-1")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.FixMatch(tiny_encoder(), **{"classes": 3, **options})


def test_labels_of_another_rank_are_named():
    model = tiny_model("FixMatch")
    model.compile("sgd")
    with pytest.raises(ValueError, match="`y` must hold one label for each sample"):
        model.fit(np.zeros((4, 16, 16, 3), "uint8"), np.eye(4, dtype="int32"), batch_size=4, verbose=0)


@pytest.mark.parametrize("wrong", [4, -2])
def test_labels_that_are_no_class_are_named(wrong):
    model = tiny_model("FixMatch")  # of 4 classes
    model.compile("sgd")
    x, y = np.zeros((4, 16, 16, 3), "uint8"), np.array([0, -1, wrong, 3])
    streams = keras_ssl.data.from_streams({"a": {"x": x, "y": y}, "b": {"x": x}}, (1, 1), batch_size=4)
    for call in (
        lambda: model.fit(x, y, batch_size=4, verbose=0),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.fit(streams, verbose=0),
    ):
        with pytest.raises(ValueError, match=rf"`classes` - 1 = 3.*Received: y={wrong} in sample 2"):
            call()


@pytest.mark.parametrize("wrong", [3, -2])
def test_in_compiled_code_a_label_that_is_no_class_gives_nan(wrong):
    losses, labeled = label_losses(keras.ops.zeros((3, 3)), keras.ops.convert_to_tensor([wrong, 2, -1]))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(losses), [np.nan, np.log(3), 0.0], rtol=1e-6)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(labeled), [1.0, 1.0, 0.0])
