"""Every test starts from the same random numbers."""

import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from tests.browser import browser, chromium  # noqa: F401 (fixtures)

# This file is read before any test module and imports no backend: KERAS_BACKEND decides which.


@pytest.fixture(autouse=True)
def seeds():
    # Keras draws the seed of every initializer that has none from `random`.
    # `keras.utils.set_random_seed` would import TensorFlow under JAX.
    random.seed(0)
    np.random.seed(0)
