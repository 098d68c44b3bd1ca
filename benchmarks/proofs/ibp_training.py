"""Verified error of digits within 0.05: the initialization, normalization and penalties of short warmup, and none."""

from typing import Any

from benchmarks.proofs._shared import Timed

NAME = "IBPTraining"
MEASURE = "verified error"
METHOD, BASELINE = "IBPTraining", "bounds alone"
LOWER_IS_BETTER = True
EPSILON = 0.05


def run(seed: int) -> dict[str, float]:
    import keras
    from sklearn.datasets import load_digits

    from keras_ssl.attacks import IBPInitializer, IBPTraining, verified_error

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    found = Timed()
    for name, ours, epsilon in (
        ("IBPTraining", True, EPSILON),
        ("bounds alone", False, EPSILON),
        ("plain", False, 0.0),
    ):
        keras.utils.set_random_seed(seed)
        layers: list[Any] = [keras.layers.Input((64,))]
        for number in range(3):
            kernel = IBPInitializer(seed=10 * seed + number) if ours else "glorot_uniform"
            layers.append(keras.layers.Dense(64, kernel_initializer=kernel))
            layers += [keras.layers.BatchNormalization()] if ours else []
            layers.append(keras.layers.ReLU())
        network = keras.Sequential([*layers, keras.layers.Dense(10)])
        model = IBPTraining(network, epsilon, ramp_steps=200, warmup_steps=20, regularization=0.5 if ours else 0.0)
        model.compile(keras.optimizers.Adam(2e-3))
        model.fit(x[:1200], y[:1200], batch_size=64, epochs=30, verbose=0)
        found[name] = verified_error(network, x[1200:], y[1200:], EPSILON)
    return found
