import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_ssl.encoders import ConvNet
from tests.hub.entries import export_quietly, randomise


@pytest.fixture
def encoder():
    return randomise(ConvNet(widths=(4, 8)))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype("uint8")


@pytest.fixture(scope="session")
def shared_entry(tmp_path_factory) -> Path:
    """An entry that tests only read."""
    model = randomise(ConvNet(widths=(4, 8)))
    return export_quietly(model, tmp_path_factory.mktemp("zoo") / "tiny", data="noise", results={"knn": 0.5})


@pytest.fixture
def entry(shared_entry, tmp_path) -> Path:
    """An entry that a test may damage."""
    return Path(shutil.copytree(shared_entry, tmp_path / "copies" / "tiny"))
