"""An entry whose checkpoint PyTorch wrote, downloaded and loaded by its name, gives the features that PyTorch gives."""

from dataclasses import replace
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import encoders, hub
from keras_ssl.hub import Card, catalogue
from tests.hub.faulty_server import FaultyServer
from tests.parity.families import FAMILIES, file_name

ZOO = catalogue.data_folder("zoo")


WITH_ENTRY = [name for name, family in FAMILIES.items() if family.encoder is None]


@pytest.mark.parametrize("name", WITH_ENTRY)
def test_features_are_pytorchs(published, tmp_path, monkeypatch, name):
    family = FAMILIES[name]
    card = Card.read(ZOO / f"{name}.toml")
    (file,) = card.weight_files
    path = urlsplit(file.url).path
    with FaultyServer() as server:
        server.files[path] = (published / file_name(name)).read_bytes()
        # The published card but for the address's host and, where the published size would take long, the sizes.
        arguments = {**card.architecture["arguments"], **family.smaller}
        architecture = {**card.architecture, "arguments": arguments}
        drawn = {
            "size": None,
            "sha256": "first-use",
            "sha256_prefix": None,
            "md5": None,
        }  # our files, not the publisher's
        files = tuple(replace(item, url=server.address + urlsplit(item.url).path, **drawn) for item in card.files)
        (tmp_path / "zoo").mkdir()
        replace(card, architecture=architecture, files=files).write(tmp_path / "zoo" / f"{name}.toml")
        monkeypatch.setattr(catalogue, "data_folder", lambda folder: tmp_path / folder)
        how = {"cache_dir": tmp_path / "cache", "progress": False}
        accept = card.license if "NC" in card.license else None
        model = keras_ssl.load(name, accept_license=accept, **how)
        assert server.paths == [path]
    check_features(published, name, model)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - set(WITH_ENTRY)))
def test_features_of_layouts_without_an_entry_are_pytorchs(published, name):
    family = FAMILIES[name]
    encoder = getattr(encoders, family.encoder)(**family.smaller)
    hub.load_checkpoint(encoder, published / file_name(name))
    check_features(published, name, lambda pixels, training: encoder(family.normalize(pixels), training=training))


def check_features(published, name, model):
    arrays, sizes = np.load(published / f"{name}.npz"), FAMILIES[name].sizes
    assert len(sizes) >= 2
    for height, width in sizes:
        expected = arrays[f"features_{height}x{width}"]
        assert expected.std() > 0.1
        actual = keras.ops.convert_to_numpy(model(arrays[f"pixels_{height}x{width}"], training=False))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)
