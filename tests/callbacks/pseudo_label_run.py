"""A small semi-supervised run on points of three clusters, which the tests of what watches such runs share."""

import keras
import numpy as np

import keras_ssl

CLASSES = 3


def points(count, seed=0, spread=0.7):
    """Points of three clusters `[count, 6]`, every class as often, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    centers = 2.0 * np.eye(CLASSES, 6)
    return (centers[y] + rng.normal(0, spread, (count, 6))).astype("float32"), y.astype("int32")


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
def shaken(x, stream):
    """Two views of a point, which differ a little; they cost nothing to compile."""
    return [x, x + 0.05]


def classifier(method="FixMatch", seed=0, **options):
    keras.utils.set_random_seed(seed)
    encoder = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(8, activation="tanh")])
    if method == "PseudoLabel":
        options.setdefault("views", lambda x, stream: [x])
    return getattr(keras_ssl, method)(encoder, classes=CLASSES, **{"views": shaken, **options})


def streams(labeled_y=None, labeled=12, unlabeled=48, batch_size=24):
    """Labeled points, whose labels may be others than their own, and unlabeled ones, half of each batch."""
    x, y = points(labeled, seed=1)
    u, _ = points(unlabeled, seed=2)
    sets = {"labeled": {"x": x, "y": y if labeled_y is None else labeled_y}, "unlabeled": {"x": u}}
    return keras_ssl.data.from_streams(sets, (1, 1), batch_size=batch_size)


def train(model, callbacks, epochs=4, rate=3e-2, data=None):
    model.compile(keras.optimizers.Adam(rate), jit_compile=False)
    return model.fit(data or streams(), epochs=epochs, verbose=0, callbacks=callbacks).history
