"""Calibration error on test digits after training on 150 of them: RankMixup, and cross-entropy alone."""

import numpy as np

from benchmarks.proofs._calibrated import logits, small_digits, softmax
from benchmarks.proofs._shared import Timed

NAME = "RankMixup"
MEASURE = "calibration error"
METHOD, BASELINE = "RankMixup", "cross-entropy"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl

    x, y, x_test, y_test = small_digits(seed, 150)
    found = Timed()
    for name, weight in (("RankMixup", 1.0), ("cross-entropy", 0.0)):
        keras.utils.set_random_seed(seed)
        layers = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten()]
        layers += [keras.layers.Dense(128, activation="relu") for _ in range(2)]
        as_it_is = keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.0)])
        model = keras_ssl.RankMixup(
            keras.Sequential(layers), classes=10, weight=weight, views=as_it_is, preprocessing=None, seed=seed
        )
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit(x, y, batch_size=50, epochs=80, verbose=0)
        p = softmax(logits(model, x_test))
        found[name] = keras_ssl.evaluation.expected_calibration_error(p, y_test)
        found[f"{name}, accuracy"] = float(np.mean(p.argmax(axis=1) == y_test))
    return found
