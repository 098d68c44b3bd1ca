"""torchvision's numbers, streams, and compiled functions."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ssl.random import Stream


@pytest.fixture(scope="session")
def golden():
    with np.load(Path(__file__).parent / "golden" / "torchvision.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def unit(golden):
    """The golden images as float32 in [0, 1]."""
    return golden["images"].astype("float32") / 255.0


@pytest.fixture
def make_stream():
    def make(count, seed=0, step=0):
        return Stream(seed, step, np.arange(count))

    return make


@pytest.fixture
def see(make_stream):
    """Calls a view and gives its result as an array (or a list of them)."""

    def call(view, images, seed=0, step=0):
        result = view(images, make_stream(len(images), seed, step))
        to_numpy = keras.ops.convert_to_numpy
        return [to_numpy(r) for r in result] if isinstance(result, list) else to_numpy(result)

    return call
