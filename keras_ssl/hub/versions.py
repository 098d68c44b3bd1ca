"""The versions that a result was made with."""

import platform
import sys

import keras
import numpy as np

import keras_ssl


def versions() -> dict[str, str]:
    """The versions of this library, Keras, its backend, NumPy and Python, and the backend's name."""
    backend = keras.backend.backend()
    return {
        "keras_ssl": keras_ssl.__version__,
        "keras": keras.__version__,
        "backend": backend,
        backend: sys.modules[backend].__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
