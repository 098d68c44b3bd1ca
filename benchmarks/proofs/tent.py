"""Accuracy of a classifier on noisy test images of low contrast: as it is, and adapted batch by batch."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.proofs._shared import digits

NAME = "Tent"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "Tent", "as it is"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.adaptation import Tent

    x, y, x_test, y_test = digits()
    keras.utils.set_random_seed(seed)
    layers: list[Any] = [keras.layers.Input((16, 16, 3)), keras.layers.Rescaling(1 / 255)]
    for width in (16, 32, 64):
        layers += [keras.layers.Conv2D(width, 3, padding="same", use_bias=False), keras.layers.BatchNormalization()]
        layers += [keras.layers.ReLU(), keras.layers.MaxPooling2D()]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(x.astype("float32"), y, batch_size=128, epochs=8, verbose=0)
    noise = np.random.default_rng(seed).normal(size=x_test.shape)
    corrupted = np.clip(0.5 * x_test + 90 + 12 * noise, 0, 255).astype("float32")

    def accuracy(predict: Callable[[np.ndarray], np.ndarray]) -> float:
        batches = [predict(corrupted[k : k + 100]) for k in range(0, len(corrupted), 100)]
        return float((np.concatenate(batches).argmax(axis=1) == y_test).mean())

    clean = float((model.predict(x_test.astype("float32"), verbose=0).argmax(axis=1) == y_test).mean())
    found = {"clean": clean, "as it is": accuracy(lambda batch: model.predict(batch, verbose=0))}
    adapter = Tent(model, keras.optimizers.SGD(0.0))
    found["batch statistics"] = accuracy(adapter.step)
    adapter = Tent(model, keras.optimizers.Adam(1e-3))
    found["Tent"] = accuracy(adapter.step)
    return found
