"""Accuracy on pale 8-pixel digits on a slope of gray: labels of plain digits, masked images of the target domain."""

from functools import cache
from typing import Any

import numpy as np

from benchmarks.proofs._few_labels import network, small_digits, weak_and_strong
from benchmarks.proofs._shared import Timed

NAME = "MaskedImageConsistency"
MEASURE = "accuracy of the target domain"  # the higher, the better
METHOD, BASELINE = "MaskedImageConsistency", "source alone"


@cache
def domains(seed: int) -> tuple[np.ndarray, ...]:
    """Plain digits with labels, and other digits of less contrast on a slope of gray."""
    x, y, more, x_test, y_test = small_digits(seed, labels=400)
    rng = np.random.default_rng(seed)

    def changed(images: np.ndarray) -> np.ndarray:
        slope = np.linspace(0, 1, 8)[None, :, None, None] * rng.uniform(20, 120, (len(images), 1, 1, 1))
        return np.clip(0.5 * images + slope + rng.normal(0, 10, images.shape), 0, 255).astype("uint8")

    return x, y, changed(more), changed(x_test), y_test


def accuracy(seed: int, weight: float = 1.0, **options: Any) -> float:
    import keras

    import keras_ssl
    from benchmarks.proofs._shared import labels_first

    x, y, target, x_test, y_test = domains(seed)
    keras.utils.set_random_seed(seed)
    model = keras_ssl.MaskedImageConsistency(
        network(), classes=10, views=weak_and_strong(), seed=seed, patch_size=2, momentum=0.98, **options
    )
    streams = {"source": {"x": x, "y": y}, "target": {"x": target}}
    data = keras_ssl.data.from_streams(streams, (1, 1), batch_size=64, seed=seed)
    labels_first(model, data, 16, weight)
    return float((model.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean())


def run(seed: int) -> dict[str, float]:
    found = Timed()
    found["MaskedImageConsistency"] = accuracy(seed, mask_ratio=0.25)
    found["whole images"] = accuracy(seed, mask_ratio=0.0)
    found["source alone"] = accuracy(seed, mask_ratio=0.25, weight=0.0)
    return found
