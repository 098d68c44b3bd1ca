"""What proofs of merging share: scikit-learn's digits in four domains, a start, and an expert for each domain."""

from functools import cache
from typing import Any

import numpy as np

CLASSES, DOMAINS = 10, 4


@cache
def domains(seed: int) -> list[tuple[np.ndarray, ...]]:
    """x, y, x_test, y_test of four domains, images `[N, 64]` in [0, 1]: as they are, negative, turned by 90 degrees,
    and on stripes. Each has 1,000 images to train on, of the same digits, and 797 to test on."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    x, y = (x[order] / 16).astype("float32"), y[order].astype("int32")
    stripes = (np.indices((8, 8)).sum(axis=0) % 4 < 2).reshape(64) * 0.7
    kinds = [
        x,
        1.0 - x,
        np.rot90(x.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64),
        np.maximum(x, stripes.astype("float32")),
    ]
    return [(np.ascontiguousarray(k[:1000]), y[:1000], np.ascontiguousarray(k[1000:]), y[1000:]) for k in kinds]


def network(width: int = 128) -> Any:
    import keras

    layers = [keras.layers.Input((64,)), keras.layers.Dense(width, "relu"), keras.layers.Dense(width, "relu")]
    return keras.Sequential([*layers, keras.layers.Dense(CLASSES)])


def trained(model: Any, x: np.ndarray, y: np.ndarray, epochs: int, rate: float = 1e-3) -> Any:
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def copy_of(model: Any) -> Any:
    import keras

    made = keras.models.clone_model(model)
    made.set_weights(model.get_weights())
    return made


def start_and_experts(seed: int, width: int = 128) -> tuple[Any, list[Any]]:
    """A network that has seen 150 images of each domain, and four of it that were trained on a domain each."""
    import keras

    keras.utils.set_random_seed(seed)
    data = domains(seed)
    few_x, few_y = (np.concatenate([d[part][k * 150 : k * 150 + 150] for k, d in enumerate(data)]) for part in (0, 1))
    start = trained(network(width), few_x, few_y, 15)
    return start, [trained(copy_of(start), d[0], d[1], 6, 5e-4) for d in data]


def accuracy(logits: np.ndarray, y: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == y).mean())


def mean_accuracy(weights: Any, model: Any, seed: int) -> float:
    """Over the test images of all domains, of a network with these weights."""
    from keras_ssl.weights import assign_weights

    probe = copy_of(model)
    assign_weights(probe, weights)
    return float(np.mean([accuracy(probe.predict(d[2], verbose=0), d[3]) for d in domains(seed)]))
