"""What the proofs of autoencoders as densities share: samples of two moons by the learned score."""

from typing import Any

import numpy as np


def moons(seed: int, count: int) -> np.ndarray:
    from sklearn.datasets import make_moons

    points, _ = make_moons(count, noise=0.05, random_state=seed)
    return points.astype("float32")


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """`2 E|X - Y| - E|X - X'| - E|Y - Y'|`, 0 for samples of one density."""

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a[:, None] - b[None], axis=2).mean())

    return 2.0 * mean(x, y) - mean(x, x) - mean(y, y)


def compare(method: str, seed: int, **options: Any) -> dict[str, float]:
    """Energy distances to held-out points: of a Gaussian of the data's mean and covariance, where chains start, and of
    where Metropolis-Hastings and Langevin's dynamics take them by the score of an autoencoder."""
    import keras

    import keras_ssl
    from keras_ssl import evaluation

    train, test = moons(seed, 2000), moons(seed + 100, 1000)
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((2,)), layers.Dense(128, "silu"), layers.Dense(128, "silu")])
    model = getattr(keras_ssl, method)(encoder, decoder_widths=(128,), seed=seed, **options)
    epochs = 150
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, epochs * 16)))
    model.fit(train, epochs=epochs, batch_size=125, verbose=0)
    rng = np.random.default_rng(seed)
    start = rng.multivariate_normal(train.mean(axis=0), np.cov(train.T), 1000).astype("float32")
    walked, taken = evaluation.metropolis_hastings_samples(model.score, start, 0.1, 800, seed)
    moved = evaluation.langevin_samples(model.score, start, 0.002, 800, seed)
    return {
        f"energy distance, {method}": energy_distance(walked, test),
        f"energy distance, {method} by Langevin": energy_distance(moved, test),
        "energy distance, Gaussian": energy_distance(start, test),
        "share of steps taken": taken,
    }
