"""What the proofs of losses and calibration share: scikit-learn's digits of 8 x 8 pixels, and a small network."""

from typing import Any

import numpy as np


def small_digits(seed: int, train: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`train` images in [0, 1] `[N, 8, 8, 1]` and their labels; and those of the 797 test images."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    order = np.random.RandomState(seed).permutation(len(x))
    x, y = x[order], y[order].astype("int32")
    return x[:train], y[:train], x[-797:], y[-797:]


def with_noise(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Labels of which a share is replaced by another class, any as likely as another."""
    random = np.random.RandomState(seed + 100)
    wrong = random.uniform(size=len(labels)) < share
    return np.where(wrong, (labels + random.randint(1, 10, size=len(labels))) % 10, labels).astype("int32")


def network(seed: int, outputs: int = 10, width: int = 128) -> Any:
    """Two hidden layers of ReLU."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten()]
    layers += [keras.layers.Dense(width, activation="relu") for _ in range(2)]
    return keras.Sequential([*layers, keras.layers.Dense(outputs)])


def train(model: Any, loss: Any, x: np.ndarray, y: np.ndarray, epochs: int, rate: float = 1e-3) -> Any:
    """The model after training with Adam, in batches of 64."""
    import keras

    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def cross_entropy() -> Any:
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def logits(model: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(x, batch_size=256, verbose=0))


def accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float((logits(model, x).argmax(axis=1) == y).mean())


def softmax(scores: np.ndarray) -> np.ndarray:
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)
