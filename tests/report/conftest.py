"""The report is NumPy and matplotlib: tested under one backend only."""

from pathlib import Path

import keras
import pytest

_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items):
    if keras.backend.backend() == "tensorflow":
        return
    for item in items:
        if item.path.parent == _FOLDER:
            item.add_marker(pytest.mark.skip(reason="no backend takes part: tested under TensorFlow"))
