"""Digits of 8x8 pixels from scikit-learn, split by the seed, and small networks for them."""

from typing import Any

import numpy as np


def small_digits(seed: int, train: int = 1000) -> tuple[np.ndarray, ...]:
    """Images in [0, 1] as rows of 64 numbers, and labels: training, then test."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = (x / 16.0).astype("float32")[order], y.astype("int32")[order]
    return x[:train], y[:train], x[train:], y[train:]


def perceptron(seed: int, *widths: int) -> Any:
    """A sequential network from 64 inputs to 10 logits."""
    import keras

    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(width, "relu") for width in widths]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def cross_entropy() -> Any:
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float((model.predict(x, verbose=0).argmax(axis=1) == y).mean())
