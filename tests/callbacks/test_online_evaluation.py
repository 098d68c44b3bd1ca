import math

import keras
import numpy as np
import pytest

from keras_ssl.callbacks.online_evaluation import OnlineEvaluation, labelled_split


class FirstFeature(OnlineEvaluation):
    """Logs the mean of the features' first dimension."""

    def __init__(self, x, every=1, batch_size=16, name="first"):
        super().__init__((x,), every, batch_size, name)

    def measure(self, *features):
        return float(features[0][:, 0].mean())


class After(keras.callbacks.Callback):
    """Stands for TensorBoard and others further down the list."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))


def features(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.slow
def test_the_number_is_that_of_the_model_at_the_end_of_the_epoch(make_model, images):
    class Expected(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["expected"] = float(features(self.model, images[0])[:, 0].mean())

    model = make_model(run_eagerly=False)
    history = model.fit(
        images[0], epochs=3, verbose=0, shuffle=False, callbacks=[FirstFeature(images[0]), Expected()]
    ).history
    np.testing.assert_allclose(history["first"], history["expected"], atol=1e-5)
    assert len(set(history["first"])) == 3  # the model moves, and so does the number


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 3])
def test_training_is_not_disturbed(make_model, images, steps):
    weights, traces = [], []
    for callbacks in ([], [FirstFeature(images[0], batch_size=7)]):
        model = make_model(run_eagerly=False, steps_per_execution=steps)
        model.fit(images[0], epochs=3, batch_size=10, shuffle=False, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
        traces.append(model.traces)
    assert traces[0] == traces[1]
    for without, with_callback in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_callback)


@pytest.mark.slow
def test_everyone_sees_the_number(make_model, images, capsys):
    after = After()
    history = make_model().fit(images[0], epochs=2, verbose=2, callbacks=[FirstFeature(images[0]), after]).history
    assert [logs["first"] for logs in after.logs] == history["first"]
    assert capsys.readouterr().out.count("first: ") == 2


@pytest.mark.parametrize(
    ("every", "epochs", "evaluated"), [(1, 3, [0, 1, 2]), (2, 5, [1, 3, 4]), (10, 3, [2]), (3, 3, [2])]
)
def test_every_so_many_epochs_and_the_last(make_model, images, every, epochs, evaluated):
    callback = FirstFeature(images[0], every=every)
    callback.set_model(make_model())
    callback.set_params({"epochs": epochs})
    logs = [{} for _ in range(epochs)]
    for epoch in range(epochs):
        callback.on_epoch_end(epoch, logs[epoch])
    assert [epoch for epoch in range(epochs) if "first" in logs[epoch]] == evaluated


@pytest.mark.slow
def test_broken_features_give_nan(make_model, images):
    model = make_model()
    model.encoder.layers[-2].bias.assign(np.full(8, np.nan))
    history = model.fit(images[0], epochs=1, verbose=0, callbacks=[FirstFeature(images[0])]).history
    assert math.isnan(history["first"][0])


def test_held_out_part(images):
    x, y = images
    x_train, y_train, x_test, y_test = labelled_split(x, y, None, None)
    assert len(x_train) == len(y_train) == 48 and len(x_test) == len(y_test) == 12
    together = np.concatenate([x_train, x_test]).reshape(60, -1)
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(x.reshape(60, -1), axis=0))
    assert set(y_test) == set(y_train) == {0, 1, 2}  # although the data are sorted by class
    again = labelled_split(x, y, None, None)
    np.testing.assert_array_equal(x_test, again[2])
    for image, label in zip(x_test, y_test, strict=True):
        assert y[np.flatnonzero((x == image).all(axis=(1, 2, 3)))] == [label]


def test_given_test_part(images):
    x, y = images
    split = labelled_split(x[:40], y[:40], x[40:], y[40:])
    for part, expected in zip(split, (x[:40], y[:40], x[40:], y[40:]), strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_train": np.zeros(9, int)}, r"`y_train`.*Received: len\(x_train\)=10, y_train.shape=\(9,\)"),
        ({"y_train": np.full(10, -1)}, r"other than -1.*Received: y_train with 10 of 10 unlabeled"),
        ({"y_train": np.eye(10, 3)}, r"argmax.*Received: y_train.shape=\(10, 3\)"),
        ({"x_train": np.zeros((0, 4)), "y_train": []}, r"`x_train` must be a batch.*Received: x_train.shape"),
        (
            {"x_train": np.zeros((4, 4)), "y_train": [0] * 4},
            r"at least 5 samples.*Received: len\(x_train\)=4",
        ),
        ({"x_test": np.zeros((2, 4))}, r"go together. Received: x_test=array, y_test=None"),
        ({"y_test": [0]}, r"go together. Received: x_test=None, y_test=array"),
        (
            {"x_test": np.zeros((2, 4)), "y_test": [0]},
            r"`y_test`.*Received: len\(x_test\)=2, y_test.shape=\(1,\)",
        ),
    ],
)
def test_bad_data(change, message):
    arguments = {"x_train": np.zeros((10, 4)), "y_train": np.zeros(10, int), "x_test": None, "y_test": None}
    with pytest.raises(ValueError, match=message):
        labelled_split(**arguments | change)


@pytest.mark.parametrize("arguments", [{"every": 0}, {"batch_size": 0}, {"batch_size": 1.5}, {"name": ""}])
def test_bad_arguments(images, arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {name}={value!r}"):
        FirstFeature(images[0], **arguments)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="distribution strategies are TensorFlow's")
def test_under_a_distribution_strategy(two_replicas):
    """Two replicas give the features, and leave the weights, that one device does."""
    program = """
import keras, numpy as np
from keras_ssl.callbacks import OnlineRankMe
images = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
def run(strategy):
    with strategy.scope():
        initializer = keras.initializers.GlorotUniform(0)
        model = keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Rescaling(1 / 255),
                                  keras.layers.Flatten(),
                                  keras.layers.Dense(8, kernel_initializer=initializer)])
        model.compile("sgd", "mse")
    targets = np.ones((30, 8), "float32")
    rank = OnlineRankMe(images, batch_size=16)
    settings = dict(batch_size=10, epochs=2, shuffle=False, verbose=0)
    return model.fit(images, targets, callbacks=[rank], **settings).history
one = run(tf.distribute.get_strategy())
two = run(mirrored)
np.testing.assert_allclose(one["rankme"], two["rankme"], rtol=1e-4)
np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-5)
"""
    assert two_replicas(program) is None
