"""What proofs of schedules share: small digits in several domains, small models, and rates set step by step."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def digits(seed: int, train: int = 1300) -> tuple[np.ndarray, ...]:
    """The digits of scikit-learn, in [0, 1], split at random: x, y, x_test, y_test."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, order = (x / 16.0).astype("float32"), np.random.default_rng(seed).permutation(len(x))
    return x[order[:train]], y[order[:train]], x[order[train:]], y[order[train:]]


def domains(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Three domains, training and test images: the digits, their negatives on their sides, and digits on a texture."""
    x, _, x_test, _ = digits(seed)
    texture = np.indices((8, 8)).sum(axis=0).reshape(1, 64) % 3 / 2.0

    def turned(images: np.ndarray) -> np.ndarray:
        return 1.0 - images.reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 64)

    def textured(images: np.ndarray) -> np.ndarray:
        return (0.5 * images[:, ::-1] + 0.5 * texture).astype("float32")

    return [(x, x_test), (turned(x), turned(x_test)), (textured(x), textured(x_test))]


def autoencoder(seed: int) -> Any:
    """A small autoencoder of images of which half of the pixels are hidden, to be trained on (x, x)."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = [keras.Input((64,)), keras.layers.Dropout(0.5), keras.layers.Dense(128, "relu")]
    layers += [keras.layers.Dense(32, "relu"), keras.layers.Dense(128, "relu"), keras.layers.Dense(64)]
    return keras.Sequential(layers)


def reconstruction_error(model: Any, images: np.ndarray) -> float:
    """Mean squared error of images of which the same random half of the pixels is hidden each time."""
    hidden = np.random.default_rng(0).random(images.shape) < 0.5
    return float(np.mean((model.predict(np.where(hidden, 0.0, 2.0 * images), verbose=0) - images) ** 2))


def classifier(seed: int, width: int = 64) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((64,)), keras.layers.Dense(width, "relu"), keras.layers.Dense(10)])


def follow(rates: Sequence[float] | np.ndarray) -> Any:
    """A callback that sets the learning rate of every step, so that one compiled step serves many schedules."""
    import keras

    class Follow(keras.callbacks.Callback):
        done = 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = float(rates[min(self.done, len(rates) - 1)])
            self.done += 1

    return Follow()


def rates_of(schedule: Any, steps: int) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(schedule(np.arange(steps))))


class Restart:
    """Puts a compiled model back to where it began, with a new optimizer state."""

    def __init__(self, model: Any) -> None:
        import keras

        self.model = model
        model.optimizer.build(model.trainable_variables)
        self.values = [
            (variable, np.array(keras.ops.convert_to_numpy(variable)))
            for variable in (*model.variables, *model.optimizer.variables)
        ]

    def __call__(self) -> Any:
        for variable, value in self.values:
            variable.assign(value)
        return self.model
