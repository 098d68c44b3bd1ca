"""Mean overlap of classes of pixels of pale digits on gray slopes: self-training from plain digits, by thresholds."""

from functools import cache
from typing import Any

import numpy as np

NAME = "InstanceAdaptiveSelector"
MEASURE = "mean intersection over union of classes"  # the higher, the better
METHOD, BASELINE = "InstanceAdaptiveSelector", "source alone"
KINDS, SIZE, SOURCE, TARGET, TEST = (0, 1, 4, 7), 16, 400, 300, 150
SOURCE_STEPS, ROUND_STEPS, ROUNDS, BATCH = 250, 100, 2, 16


@cache
def scenes(seed: int) -> tuple[np.ndarray, ...]:
    """Two digits in a scene of 16 x 16 pixels, a class for each pixel (0: ground); plain ones, then changed ones."""
    from sklearn.datasets import load_digits

    data, rng = load_digits(), np.random.default_rng(seed)
    count = SOURCE + TARGET + TEST
    images, labels = np.zeros((count, SIZE, SIZE)), np.zeros((count, SIZE, SIZE), "int32")
    glyphs = {kind: rng.permutation(data.images[data.target == kind]) for kind in KINDS}
    for n in range(count):
        for half in range(2):
            kind = rng.integers(len(KINDS))
            own = glyphs[KINDS[kind]]
            # Glyphs of the test come from the last fifth, which training does not see.
            split = len(own) * 4 // 5
            glyph = own[rng.integers(split, len(own)) if n >= SOURCE + TARGET else rng.integers(split)]
            i, j = rng.integers(0, SIZE - 8), 8 * half
            images[n, i : i + 8, j : j + 8] = glyph * (255 / 16)
            labels[n, i : i + 8, j : j + 8] = np.where(glyph >= 6, kind + 1, 0)
    slope = np.linspace(0, 1, SIZE)[None, :, None] * rng.uniform(10, 70, (count, 1, 1))
    changed = 0.65 * images + slope + rng.normal(0, 8, images.shape)
    images[SOURCE:] = changed[SOURCE:]
    images = (np.clip(images, 0, 255) / 127.5 - 1.0).astype("float32")[..., None]
    parts = (slice(0, SOURCE), slice(SOURCE, SOURCE + TARGET), slice(SOURCE + TARGET, None))
    return tuple(array[part] for part in parts for array in (images, labels))


def network(seed: int) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    x = images = keras.Input((SIZE, SIZE, 1))
    for width, dilation in ((24, 1), (24, 2), (32, 4), (32, 1)):
        x = layers.Conv2D(width, 3, padding="same", dilation_rate=dilation, activation="relu")(x)
    return keras.Model(images, layers.Conv2D(1 + len(KINDS), 1)(x))


def train(model: Any, x: np.ndarray, y: np.ndarray, steps: int, rate: float, seed: int, regions: bool = False) -> None:
    """Cross-entropy of pixels whose class is known; with `regions`, the regularizers beside it."""
    import keras

    from keras_ssl.losses import region_entropy_loss, region_smoothing_loss

    def loss(labels: Any, logits: Any) -> Any:
        ops = keras.ops
        labels = ops.cast(labels, "int32")
        known = ops.cast(labels >= 0, "float32")
        chosen = ops.take_along_axis(ops.log_softmax(logits), ops.maximum(labels, 0)[..., None], axis=-1)[..., 0]
        value = -ops.sum(known * chosen, axis=(1, 2)) / ops.maximum(ops.sum(known, axis=(1, 2)), 1.0)
        if regions:
            value = value + 0.05 * region_smoothing_loss(logits, labels) + 0.1 * region_entropy_loss(logits, labels)
        return value

    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = rng.choice(len(x), BATCH, replace=False)
        model.train_on_batch(x[rows], y[rows])


def quality(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    found = model.predict(x, verbose=0).argmax(axis=-1)
    kinds = range(1 + len(KINDS))
    return float(np.mean([((found == k) & (y == k)).sum() / max(((found == k) | (y == k)).sum(), 1) for k in kinds]))


def run(seed: int) -> dict[str, float]:
    from keras_ssl.data import InstanceAdaptiveSelector

    x, y, target, _, x_test, y_test = scenes(seed)
    model = network(seed)
    train(model, x, y, SOURCE_STEPS, 2e-3, seed)
    start, found = model.get_weights(), {"source alone": quality(model, x_test, y_test)}
    for name in ("InstanceAdaptiveSelector", "InstanceAdaptiveSelector, no regularizers", "threshold 0.9"):
        model.set_weights(start)
        for turn in range(ROUNDS):
            logits = model.predict(target, verbose=0)
            p = np.exp(logits - logits.max(axis=-1, keepdims=True))
            p /= p.sum(axis=-1, keepdims=True)
            if name == "threshold 0.9":
                pseudo = np.where(p.max(axis=-1) >= 0.9, p.argmax(axis=-1), -1)
            else:
                pseudo = InstanceAdaptiveSelector(1 + len(KINDS), alpha=0.5).select_all(p)
            both, labels = np.concatenate([x[:TARGET], target]), np.concatenate([y[:TARGET], pseudo])
            train(model, both, labels, ROUND_STEPS, 5e-4, seed + turn, regions=name == METHOD)
        found[name] = quality(model, x_test, y_test)
    return found
