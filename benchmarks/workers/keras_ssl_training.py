"""From files on disk to an encoder that SimCLR trains, by this library: a round is a whole run."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_ssl


def run(
    folder: str, held: str, output: str, size: int, batch_size: int, epochs: int, count: int
) -> tuple[Callable[[], Any], int]:
    """Each round trains by another seed and writes the features of the held images (`held`, an npz) to `output`."""
    seeds = iter(range(10**9))
    images = np.load(held)

    def train() -> None:
        seed = next(seeds)
        keras.utils.set_random_seed(seed)
        views = keras_ssl.views.colored_digits()
        encoder = keras_ssl.encoders.ConvNet()
        model = keras_ssl.SimCLR(encoder, projector=(128, 64), temperature=0.2, views=views, seed=seed)
        model.compile(keras.optimizers.Adam(2e-3))
        data = keras_ssl.data.from_folder(folder, size=size, batch_size=batch_size, seed=seed, labelled=False)
        model.fit(data, epochs=epochs, verbose=0)
        np.savez(output, **{name: model.predict(images[name], verbose=0) for name in images.files})

    return train, epochs * count
