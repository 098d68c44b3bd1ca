"""Overlap of found and true regions of other noise, pasted into crops of two photographs: image labels, 32 pixels."""

from functools import cache
from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "InterPatchConsistency"
MEASURE = "intersection over union"  # the higher, the better
METHOD, BASELINE = "InterPatchConsistency", "image labels alone"
SIZE, TRAIN, TEST, CELL = 32, 512, 200, 4
EPOCHS, BATCH = 25, 32


@cache
def crops(seed: int) -> tuple[np.ndarray, ...]:
    """Gray crops of little noise, half of them with a rectangle of another crop and of more noise; labels; masks."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(seed)
    photos = [photo.astype("float64").mean(axis=2) for photo in load_sample_images().images]
    count = TRAIN + TEST

    def crop() -> np.ndarray:
        photo = photos[rng.integers(len(photos))]
        i, j = rng.integers(0, photo.shape[0] - SIZE), rng.integers(0, photo.shape[1] - SIZE)
        return photo[i : i + SIZE, j : j + SIZE]

    images, masks = np.zeros((count, SIZE, SIZE)), np.zeros((count, SIZE, SIZE), bool)
    for n in range(count):
        images[n] = crop() + rng.normal(0, 3, (SIZE, SIZE))
        if n % 2:
            sides = rng.integers(10, 20, size=2)
            i, j = (rng.integers(0, SIZE - side) for side in sides)
            masks[n, i : i + sides[0], j : j + sides[1]] = True
            images[n] = np.where(masks[n], crop() + rng.normal(0, 15, (SIZE, SIZE)), images[n])
    return np.clip(images, 0, 255).astype("uint8")[..., None], np.arange(count, dtype="int32") % 2, masks


def network() -> Any:
    from keras import Input, Model, layers

    from keras_ssl.layers import BatchNormalization

    x = images = Input((SIZE, SIZE, 1))
    for width in (16, 24):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.AveragePooling2D(2)(layers.ReLU()(BatchNormalization()(x)))
    x = layers.ReLU()(BatchNormalization()(layers.Conv2D(32, 1, use_bias=False)(x)))
    return Model(images, layers.GlobalAveragePooling2D()(x))


def overlap(seed: int, **options: Any) -> float:
    import keras

    import keras_ssl
    from keras_ssl.evaluation import region_similarity

    images, labels, masks = crops(seed)
    keras.utils.set_random_seed(seed)
    model = keras_ssl.InterPatchConsistency(network(), embedding_dim=8, warmup_steps=100, seed=seed, **options)
    steps = EPOCHS * (TRAIN // BATCH)
    model.compile(keras.optimizers.Adam(keras_ssl.schedules.WarmupCosine(3e-3, steps, 20)), jit_compile=False)
    model.fit(images[:TRAIN], labels[:TRAIN], batch_size=BATCH, epochs=EPOCHS, verbose=0)
    tampered = TRAIN + np.flatnonzero(labels[TRAIN:])
    maps = np.kron(model.tampering_maps(images[tampered]), np.ones((1, CELL, CELL)))
    return region_similarity(maps > 0.5, masks[tampered])


def run(seed: int) -> dict[str, float]:
    found = Timed()
    found["InterPatchConsistency"] = overlap(seed)
    found["image labels alone"] = overlap(seed, patch_weight=0.0, cluster_weight=0.0, source_weight=0.0)
    return found
