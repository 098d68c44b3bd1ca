"""Accuracy on test digits of a wide network after one epoch and after five: started from a small trained network,
beside new weights. The updates of the wide networks are equal; those of the small one are not counted."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "grow_width"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "fpi", "new weights"
SMALL, LARGE, DEPTH = 16, 128, 3


def run(seed: int) -> dict[str, float]:
    import keras
    from sklearn.datasets import load_digits

    from keras_ssl.merging import grow_width

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[:1200], order[1200:]

    def network(width: int) -> Any:
        hidden = [keras.layers.Dense(width, "relu") for _ in range(DEPTH)]
        return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])

    def accuracy(model: Any) -> float:
        scores = keras.ops.convert_to_numpy(model(x[test]))
        return float(np.mean(scores.argmax(axis=1) == y[test]))

    def compiled(model: Any) -> Any:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-3), loss)
        return model

    def fit(model: Any, epochs: int) -> float:
        model.fit(x[train], y[train], batch_size=64, epochs=epochs, verbose=0)
        return accuracy(model)

    keras.utils.set_random_seed(seed)
    small = compiled(network(SMALL))
    found = Timed()
    found["the small network"] = fit(small, 30)
    for method in ("fpi", "aki", BASELINE):
        keras.utils.set_random_seed(seed)  # one order of the batches
        large = compiled(network(LARGE))
        if method != BASELINE:
            grow_width(small, large, method, seed=seed)
            found[f"{method}, untrained"] = accuracy(large)
        found[method] = fit(large, 1)
        found[f"{method}, five epochs"] = fit(large, 4)
    return found
