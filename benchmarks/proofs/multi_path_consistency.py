"""Error of three key points of drawn strokes of which 5 % are labeled, in pixels of 24: paths beside labels alone."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "MultiPathConsistency"
MEASURE = "mean distance to the true point"
METHOD, BASELINE = "MultiPathConsistency", "labels alone"
LOWER_IS_BETTER = True
SIZE, LABELED, TRAIN, TEST = 24, 32, 640, 300
STEPS, BATCH = 400, 32


def strokes(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bent strokes with a thick start, a bend and a thin end, on a noisy ground; and these points in [0, 1]."""
    start = rng.uniform(0.2, 0.8, (count, 2))
    angle, turn = rng.uniform(0, 2 * np.pi, count), rng.choice([-1, 1], count) * rng.uniform(0.5, 1.6, count)
    middle = start + 0.28 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    end = middle + 0.28 * np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=1)
    points = np.stack([start, middle, end], axis=1)
    inside = ((points > 0.08) & (points < 0.92)).all(axis=(1, 2))
    points = points[inside]
    cells = (np.arange(SIZE) + 0.5) / SIZE
    images = np.zeros((len(points), SIZE, SIZE))
    for place in np.linspace(0, 2, 31):
        leg, share = min(int(place), 1), place - min(int(place), 1)
        center = (1 - share) * points[:, leg] + share * points[:, leg + 1]
        width = 0.07 - 0.022 * place
        across = (cells[None, None, :] - center[:, 0, None, None]) ** 2
        down = (cells[None, :, None] - center[:, 1, None, None]) ** 2
        images = np.maximum(images, np.exp(-(across + down) / (2 * width**2)))
    ground = rng.uniform(0, 90, (len(points), 1, 1)) + rng.normal(0, 18, images.shape)
    ink = rng.uniform(90, 160, (len(points), 1, 1))
    return np.clip(ground + ink * images, 0, 255).astype("uint8")[..., None], points.astype("float32")


def network() -> Any:
    from keras import Input, Model, layers

    from keras_ssl.layers import BatchNormalization

    x = images = Input((SIZE, SIZE, 1))
    for width, strides in ((16, 1), (32, 2), (48, 1), (48, 1)):
        x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(BatchNormalization()(x))
    return Model(images, layers.GlobalAveragePooling2D()(x))


def error(seed: int, weight: float = 1.0) -> float:
    import keras

    import keras_ssl
    from benchmarks.proofs._shared import labels_first
    from keras_ssl import views

    rng = np.random.default_rng(seed)
    images, points = strokes(rng, 8 * TRAIN)
    x, y = images[:TRAIN], points[:TRAIN]
    x_test, y_test = images[TRAIN : TRAIN + TEST], points[TRAIN : TRAIN + TEST]
    keras.utils.set_random_seed(seed)
    jitter = views.ColorJitter(brightness=0.4, contrast=0.4)
    model = keras_ssl.MultiPathConsistency(
        network(), points=3, paths=2, views=views.MultiView([views.Identity(), jitter, jitter]), seed=seed
    )
    none = np.full((TRAIN - LABELED, 3, 2), -1.0, "float32")
    streams = {
        "labeled": {"x": x[:LABELED], "points": y[:LABELED]},
        "unlabeled": {"x": x[LABELED:], "points": none},
    }
    data = keras_ssl.data.from_streams(streams, (1, 3), batch_size=BATCH, seed=seed)
    labels_first(model, data, max(2, round(STEPS / len(data))), weight)
    return float(SIZE * np.mean(np.linalg.norm(model.locate(x_test) - y_test, axis=2)))


def run(seed: int) -> dict[str, float]:
    found = Timed()
    found["MultiPathConsistency"] = error(seed)
    found["labels alone"] = error(seed, weight=0.0)
    return found
