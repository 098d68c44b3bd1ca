"""What proofs of selection share: scikit-learn's digits of 8x8 pixels, and how good a training set is."""

from typing import Any

import numpy as np


def small_digits(seed: int) -> tuple[np.ndarray, ...]:
    """1,200 images to train and 597 to test, `[N, 64]` in [0, 1], and their labels, in an order by the seed."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = (x[order] / 16.0).astype("float32"), y[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


def knn(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    """Accuracy of the three nearest neighbors."""
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(3).fit(x, y).score(x_test, y_test))


def linear(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    """Accuracy of logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return float(LogisticRegression(max_iter=1000).fit(x, y).score(x_test, y_test))


def network(rate: float = 1e-2, width: int = 64) -> Any:
    """A small classifier of these digits, compiled."""
    import keras

    model = keras.Sequential(
        [keras.layers.Input((64,)), keras.layers.Dense(width, activation="relu"), keras.layers.Dense(10)]
    )
    model.compile(
        keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return model


def accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float((np.asarray(model.predict(x, verbose=0)).argmax(axis=1) == y).mean())
