import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_ssl.encoders import ConvNet
from keras_ssl.hub import CardFile, catalogue, export, http_source
from tests.hub.downloads import CONTENT, NAME, SHA256
from tests.hub.entries import export_quietly, randomise
from tests.hub.fake_hub import FakeHub
from tests.hub.faulty_server import FaultyServer


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


@pytest.fixture
def without_saved_model(monkeypatch):
    """Entries get no SavedModel, which takes seconds to write: for tests that look at something else of them."""
    monkeypatch.setattr(sys.modules[export.__module__], "_write_saved_model", lambda *arguments: None)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, the environment's only setting; nobody waits long."""
    for name in list(os.environ):
        if name.startswith("KERAS_SSL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_SSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(http_source, "BACK_OFF", 0.001)
    return tmp_path / "cache"


@pytest.fixture
def house(tmp_path, monkeypatch, cache):
    """A library with an empty zoo, and a cache."""
    for name in ("zoo", "saved_models"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(catalogue, "data_folder", lambda name: tmp_path / name)
    return tmp_path


@pytest.fixture
def server():
    with FaultyServer() as server:
        server.files[f"/{NAME}"] = CONTENT
        yield server


@pytest.fixture
def file(server, cache):
    """A file that the server has."""
    return CardFile(NAME, len(CONTENT), SHA256, f"{server.address}/{NAME}")


@pytest.fixture
def target(cache):
    """Where the file goes."""
    return cache / NAME


@pytest.fixture
def fake_hub(monkeypatch, cache):
    """A Hub that the client takes for the real one; the environment's caches and tokens are not used."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with FakeHub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no_token"))
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield server
