"""All of it is NumPy: tested under one backend only."""

from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == _FOLDER:
            item.add_marker(pytest.mark.once)
