"""What the proofs of metric learning share: scikit-learn's digits, small perceptrons, training by any loss."""

from collections.abc import Callable
from typing import Any

import numpy as np


def small_digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 digits of 8x8 pixels, in [0, 1], and their classes."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype("float32"), y.astype("int32")


def held_out() -> tuple[np.ndarray, ...]:
    """The digits 0 to 4 to train on, and 5 to 9 to test on: classes never seen."""
    x, y = small_digits()
    return x[y < 5], y[y < 5], x[y >= 5], y[y >= 5]


def shuffled_split(seed: int, train: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(count)
    return order[:train], order[train:]


def perceptron(inputs: int, outputs: int, noise: float = 0.0, views: int = 0) -> Any:
    """One hidden layer of 128; with `views`, applied to each row of `[views, inputs]`."""
    import keras

    layers = [keras.layers.Input((views, inputs) if views else (inputs,))]
    if noise:
        layers.append(keras.layers.GaussianNoise(noise))
    return keras.Sequential([*layers, keras.layers.Dense(128, "relu"), keras.layers.Dense(outputs)])


def train(
    model: Any,
    loss: Callable[[Any, Any], Any],
    x: np.ndarray,
    y: np.ndarray,
    epochs: int,
    batch_size: int = 64,
    shuffle: bool = True,
) -> Any:
    """Trains `model` by `loss(y, z)`, a scalar of a whole batch, whose labels keep their type."""
    import keras

    def whole(y_true: Any, z: Any) -> Any:
        return loss(keras.ops.cast(keras.ops.reshape(y_true, (-1, *y.shape[1:])), str(y.dtype)), z)

    model.compile(keras.optimizers.Adam(1e-3), loss=whole, jit_compile=False)
    usable = len(x) // batch_size * batch_size
    model.fit(x[:usable], y[:usable], batch_size=batch_size, epochs=epochs, verbose=0, shuffle=shuffle)
    return model


def fit(model: Any, data: dict[str, Any], epochs: int, batch_size: int = 128) -> Any:
    """Trains an objective of the library."""
    import keras

    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    model.fit(data, batch_size=batch_size, epochs=epochs, verbose=0)
    return model


def recall_at_1(z: np.ndarray, y: np.ndarray) -> float:
    from keras_ssl import evaluation

    return evaluation.retrieval(z, y, ks=[1])["recall@1"]


def two_digits(labels: np.ndarray) -> np.ndarray:
    """The class of an image of two digits side by side, by its labels `[N, 10]`: which two they are."""
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)


def retrieved(
    name: str, z: np.ndarray, y: np.ndarray, known: tuple[np.ndarray, np.ndarray] | None = None
) -> dict[str, float]:
    """Recall@1 and mAP of features that each query all others, and kNN accuracy.

    Args:
        name: of the setting, as it stands in the figures.
        z: features `[N, D]` of test samples.
        y: their classes.
        known: features and classes that the 20 nearest neighbors are among, as a rule those of the training data.
            Without it, for classes that were not trained on, every second test sample is known, the others are asked.
    """
    from keras_ssl import evaluation

    found = evaluation.retrieval(z, y, ks=[1])
    neighbors = (*known, z, y) if known else (z[::2], y[::2], z[1::2], y[1::2])
    return {
        f"Recall@1, {name}": found["recall@1"],
        f"mAP, {name}": found["map"],
        f"kNN, {name}": evaluation.knn_accuracy(*neighbors),
    }
