"""A checkpoint that PyTorch wrote, downloaded and loaded, gives the features that PyTorch gives."""

import keras
import numpy as np
import pytest

from keras_ssl import encoders
from keras_ssl.hub import CardFile, fetch, load_checkpoint
from tests.parity.families import FAMILIES, images


@pytest.mark.parametrize("name", FAMILIES)
def test_features_are_pytorchs(published, publisher, tmp_path, name):
    kind, arguments = FAMILIES[name].encoder
    encoder = getattr(encoders, kind)(**arguments)
    size = (published / f"{name}.pth").stat().st_size
    file = CardFile(f"{name}.pth", size, "first-use", f"{publisher.address}/{name}.pth")
    load_checkpoint(encoder, fetch(file, tmp_path, mirrors=(), progress=False))
    expected = np.load(published / f"{name}.npz")
    assert len(expected) >= 2
    for size in FAMILIES[name].sizes:
        actual = keras.ops.convert_to_numpy(encoder(images(name, size), training=False))
        np.testing.assert_allclose(actual, expected[f"{size[0]}x{size[1]}"], rtol=0, atol=1e-4)
