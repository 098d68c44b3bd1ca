"""Accuracy of which digits two-digit composites hold (mean over ten labels, linear layer on frozen features): a small
vision transformer after each task alone, and after all three, with labels for one composite in ten."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "MultiTaskPretraining"
MEASURE = "mean average precision"  # the higher, the better
METHOD, BASELINE = "all tasks", "best single task"
COUNT, TEST, EPOCHS = 3000, 1000, 12


def composites(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of 16 pixels with two digits of 8 side by side, one higher than the other, and which digits they hold."""
    from keras_ssl.data import colored_digits

    images, labels = colored_digits(split, size=16, count=2 * count)
    small = images.reshape(2 * count, 8, 2, 8, 2, 3).astype("float32").mean(axis=(2, 4))
    rng = np.random.default_rng(count)
    made = np.repeat(rng.integers(0, 256, (count, 1, 1, 3)), 16, axis=1).repeat(16, axis=2).astype("float32")
    for number, (left, right) in enumerate(rng.integers(0, 9, (count, 2))):
        made[number, left : left + 8, :8] = small[2 * number]
        made[number, right : right + 8, 8:] = small[2 * number + 1]
    held = np.zeros((count, 10), "float32")
    held[np.arange(count), labels[::2]] = held[np.arange(count), labels[1::2]] = 1.0
    return made.astype("uint8"), held


def mean_average_precision(features: np.ndarray, held: np.ndarray, test: np.ndarray, held_test: np.ndarray) -> float:
    """Of ridge regressions on standardized features."""
    from sklearn.linear_model import Ridge
    from sklearn.metrics import average_precision_score

    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    ridge = Ridge(10.0).fit((features - mean) / deviation, held)
    return float(average_precision_score(held_test, ridge.predict((test - mean) / deviation)))


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl

    (x, held), (x_test, held_test) = composites("train", COUNT), composites("test", TEST)
    known = np.where((np.arange(COUNT) % 10 == 0)[:, None], held, -1.0).astype("float32")
    views = keras_ssl.views.colored_digits(min_scale=0.7)
    weights = ("reconstruction_weight", "contrast_weight", "label_weight")
    kinds: dict[str, dict[str, float]] = {
        weight.removesuffix("_weight"): {other: float(other == weight) for other in weights} for weight in weights
    }
    found = Timed()
    for name, options in {**kinds, "all tasks": {}}.items():
        keras.utils.set_random_seed(seed)
        encoder = keras_ssl.encoders.ViT(
            "Ti", 4, 64, 3, 4, image_size=16, position="sincos", pooling="mean", input_shape=(16, 16, 3)
        )
        arguments: dict[str, Any] = {"projector": (128, 64), "temperature": 0.2, "mask_ratio": 0.5, "unit": 1}
        model = keras_ssl.MultiTaskPretraining(encoder, 10, **arguments, **options, views=views, seed=seed)
        model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
        model.fit({"x": x, "labels": known}, epochs=EPOCHS, batch_size=128, verbose=0)
        features = [model.predict(images, verbose=0) for images in (x, x_test)]
        found[name] = mean_average_precision(features[0], held, features[1], held_test)
    found["best single task"] = max(found[name] for name in kinds)
    return found
