"""What is logged of pseudo-labels is what a slow count finds, for every method of the family."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import PseudoLabelMonitor
from keras_ssl.callbacks.pictures import draw_pseudo_labels
from keras_ssl.callbacks.pseudo_label_monitor import class_numbers
from keras_ssl.objectives.labels.semi_supervised import SemiSupervised
from keras_ssl.registry import entries
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step
from tests.callbacks.pseudo_label_run import CLASSES, classifier, points, streams, train
from tests.objectives.labels.semi import soft

FAMILY = sorted(entry.name for entry in entries("objective") if issubclass(entry.target, SemiSupervised))
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
X, Y = points(30, seed=5)


def slow(logits, truth, threshold):
    """Sample by sample: share, precision, and how many pseudo-labels of each class are used and right."""
    counts, right = [0.0] * CLASSES, [0.0] * CLASSES
    for row, label in zip(logits, truth, strict=True):
        p = soft(row)
        if p.max() >= threshold:
            counts[int(p.argmax())] += 1
            right[int(p.argmax())] += p.argmax() == label
    return sum(counts) / len(truth), sum(right) / sum(counts), counts, right


def test_equals_a_count_by_hand():
    model = classifier(threshold=0.6)
    monitor = PseudoLabelMonitor(X, Y, batch_size=8)  # the last batch is not full
    history = train(model, [monitor], epochs=3)
    share, precision, counts, right = slow(model.predict(X, verbose=0), Y, 0.6)
    assert 0 < share and history["pseudo_label_share"][-1] == pytest.approx(share)
    assert history["pseudo_label_precision"][-1] == pytest.approx(precision)
    assert history["pseudo_label_largest"][-1] == pytest.approx(max(counts) / sum(counts))
    assert monitor.counts.tolist() == counts and monitor.right.tolist() == right
    for number in range(CLASSES):
        assert history[f"pseudo_label_count_{number}"][-1] == counts[number]
        expected = right[number] / counts[number] if counts[number] else np.nan
        np.testing.assert_allclose(history[f"pseudo_label_precision_{number}"][-1], expected)


def test_weights_between_count_as_such():
    """SoftMatch's own weights, from its own loss."""
    model = classifier("SoftMatch", momentum=0.5)
    monitor = PseudoLabelMonitor(X, Y, batch_size=30)
    train(model, [monitor], epochs=2)
    logits = model.predict(X, verbose=0)
    z = {"weak": logits, "strong": logits, "y": np.full(30, -1, "int32")}
    tensors = {name: keras.ops.convert_to_tensor(part) for name, part in z.items()}
    _, logs = model.objective(tensors, Step.at(30, training=False))
    used = monitor.counts.sum() / 30
    assert 0 < used < 1 and used == pytest.approx(float(logs["confident"]), rel=1e-5)


def test_training_is_the_same_with_it():
    plain, watched = classifier(), classifier()
    first, second = train(plain, []), train(watched, [PseudoLabelMonitor(X, Y)])
    assert first["loss"] == second["loss"] and "pseudo_label_share" not in first
    for one, other in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", FAMILY)
def test_every_method_of_the_family_tells_its_pseudo_labels(name):
    """The rule is that of the loss, which logs as `confident` the share that it uses of the same samples."""
    model = tiny_model(name)
    labels = np.arange(24) % 4
    given = np.where(np.arange(24) % 2, -1, labels) if model.compares_with_labeled else None
    before = [np.array(weight) for weight in model.get_weights()]
    classes, used = model.pseudo_labels(IMAGES, given, batch_size=24)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert classes.shape == used.shape == (24,) and classes.min() >= 0 and classes.max() < 4
    assert used.min() >= 0 and used.max() <= 1
    logs = evaluated(model, given)
    if "confident" in logs:
        unlabeled = np.ones(24, bool) if given is None else given < 0
        assert used[unlabeled].mean() == pytest.approx(logs["confident"], abs=1e-5)
    else:
        assert used.tolist() == [1.0] * 24


def evaluated(model, labels):
    """What the first step of an evaluation logs for the images."""
    model.compile("sgd", run_eagerly=True)
    arrays = {"x": IMAGES, "y": np.full(24, -1, "int32") if labels is None else labels}
    if "index" in model.batch_fields:
        arrays["index"] = np.arange(24, dtype="int32")
    return model.evaluate(arrays, batch_size=24, verbose=0, return_dict=True)


def test_compares_with_labeled_samples_where_the_method_does():
    x, y = points(12, seed=1)
    with pytest.raises(ValueError, match="AdaMatch compares .* give some as `labeled`. Received: labeled=None"):
        train(classifier("AdaMatch"), [PseudoLabelMonitor(X, Y)], epochs=1)
    monitor = PseudoLabelMonitor(X, Y, labeled=(x, y), batch_size=16)
    history = train(classifier("AdaMatch", threshold=0.5), [monitor], epochs=3)
    assert 0 < history["pseudo_label_share"][-1] <= 1
    assert monitor.counts.sum() == pytest.approx(30 * history["pseudo_label_share"][-1])


def test_where_none_is_used_there_is_no_precision():
    history = train(classifier(threshold=1.0), [PseudoLabelMonitor(X, Y, per_class=False)], epochs=1, rate=1e-4)
    assert history["pseudo_label_share"] == [0.0] and np.isnan(history["pseudo_label_precision"]).all()
    assert not class_numbers(history)


def test_looks_at_some_epochs_and_the_last():
    history = train(classifier(), [PseudoLabelMonitor(X, Y, every=2)], epochs=3)
    assert len(history["pseudo_label_share"]) == 2 and len(history["loss"]) == 3


def test_bars_for_tensorboard():
    drawn = {}

    class Writer:
        def histogram(self, tag, edges, heights, step, description):
            drawn[tag] = (edges.tolist(), heights.tolist(), step)

    logs = {"loss": 1.0, "pseudo_label_count_0": 4.0, "pseudo_label_count_2": 1.0, "pseudo_label_precision_2": np.nan}
    draw_pseudo_labels(Writer(), logs, 3)
    assert drawn == {
        "pseudo_labels/count": ([0, 1, 2, 3], [4.0, 0.0, 1.0], 3),
        "pseudo_labels/precision": ([0, 1, 2, 3], [0.0, 0.0, 0.0], 3),
    }


def test_tensorboard_shows_them(tmp_path):
    from tests.callbacks.test_tensorboard import read

    board = keras_ssl.callbacks.TensorBoard(tmp_path)
    history = train(classifier(threshold=0.5), [PseudoLabelMonitor(X, Y), board], epochs=2)
    values = read(tmp_path)
    for name in ("pseudo_label_precision", "pseudo_label_share", "pseudo_label_count_1"):
        assert [float(value) for _, value in values[f"epoch/{name}"]] == pytest.approx(history[name])
    (first, bars), _ = values["pseudo_labels/count"]
    assert first == 1 and bars[:, 2].tolist() == [history[f"pseudo_label_count_{c}"][0] for c in range(CLASSES)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[:-1]}, r"`y` must hold a class number .* Received: len\(x\)=30, y of shape \(29,\)"),
        ({"y": Y.astype(str)}, "`y` must hold a class number .* Received: .* type <U"),
        ({"y": Y - 5}, "`y` must hold a class number .* Received: "),
        ({"y": np.full(30, -1)}, "`y` must have two labels or more. Received: y with 0 labels"),
        ({"labeled": (X[:4], Y[:3])}, r"`labeled\[1\]` must hold a class number .* Received: "),
        ({"every": 0}, "`every` must be a positive integer. Received: every=0"),
        ({"batch_size": 2}, "`batch_size` must be an integer of at least 4. Received: batch_size=2"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PseudoLabelMonitor(**{"x": X, "y": Y, **arguments})


def test_refuses_other_models_and_classes():
    with pytest.raises(ValueError, match="below `classes` = 3 of the model. Received: y=7"):
        train(classifier(), [PseudoLabelMonitor(X, np.full(30, 7))])
    model = keras_ssl.SimCLR(classifier().encoder, views=lambda x, stream: [x, x], projector=(4,))
    model.compile("sgd")
    with pytest.raises(ValueError, match="semi-supervised classifiers .* Received: a model of type SimCLR"):
        model.fit(X, batch_size=10, verbose=0, callbacks=[PseudoLabelMonitor(X, Y)])


def test_pseudo_labels_refuse_what_is_no_batch():
    with pytest.raises(ValueError, match=r"Received: len\(x\)=1, y.shape=\(1,\)"):
        classifier().pseudo_labels(X[:1])
    with pytest.raises(ValueError, match=r"Received: len\(x\)=30, y.shape=\(4,\)"):
        classifier().pseudo_labels(X, Y[:4])


def test_data_of_the_streams_have_all_classes():
    assert set(streams()[0]["y"].tolist()) == {-1, 0, 1, 2}
