"""`load` and `load_heads` of entries whose files are elsewhere."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.hub import Card, CardFile, DownloadError, catalogue
from tests.hub.downloads import without_backend
from tests.hub.entries import export_quietly, randomise, run
from tests.hub.faulty_server import Fault, FaultyServer

pytestmark = without_backend


@pytest.fixture
def server(shared_entry):
    with FaultyServer() as server:
        for name in ("encoder.safetensors", "card.toml"):
            server.files[f"/{name}"] = (shared_entry / name).read_bytes()
            server.files[f"/zoo/distant/{name}"] = (shared_entry / name).read_bytes()
        yield server


def publish(house, server, shared_entry, sha256=None):
    """Puts a card alone into the zoo; its weights are on the server."""
    text = (shared_entry / "card.toml").read_text()
    (house / "zoo" / "distant.toml").write_text(text)
    card = Card.read(house / "zoo" / "distant.toml")
    (weights,) = card.weight_files
    file = CardFile(weights.name, weights.size, sha256 or weights.sha256, f"{server.address}/encoder.safetensors")
    fields = {name: getattr(card, name) for name in ("name", "architecture", "preprocessing", "data")}
    Card(files=(file,), **fields).write(house / "zoo" / "distant.toml")
    return house / "cache" / "distant" / "encoder.safetensors"


def test_an_entry_is_downloaded_by_name_and_then_read_from_the_cache(house, server, shared_entry, images, capsys):
    target = publish(house, server, shared_entry)
    assert hub.list_models() == ["distant"] and server.paths == []
    assert isinstance(hub.preprocessing("distant"), keras_ssl.layers.ImagePreprocessing) and server.paths == []
    expected = run(hub.load(shared_entry), images)
    np.testing.assert_array_equal(run(keras_ssl.load("distant"), images), expected)
    assert target.is_file() and "Downloading distant/encoder.safetensors: 2,640 of 2,640" in capsys.readouterr().err
    np.testing.assert_array_equal(run(keras_ssl.load("distant", verify=False), images), expected)
    assert server.paths == ["/encoder.safetensors"] and capsys.readouterr().err == ""


def test_its_card_says_where_and_survives_the_disk(house, server, shared_entry):
    publish(house, server, shared_entry)
    card = catalogue.find("distant").read_card()
    assert card.weight_files[0].url == f"{server.address}/encoder.safetensors"
    card.write(house / "again.toml")
    assert Card.read(house / "again.toml") == card
    text = (house / "again.toml").read_text()
    (house / "again.toml").write_text(text.replace("http://127.0.0.1", "http://example.org"))
    with pytest.raises(ValueError, match="`url` must be an address of https.*in the card"):
        Card.read(house / "again.toml")


def test_weights_beside_the_card_come_first(house, server, shared_entry, images):
    publish(house, server, shared_entry)
    (house / "zoo" / "encoder.safetensors").write_bytes((shared_entry / "encoder.safetensors").read_bytes())
    assert run(hub.load("distant"), images).shape == (6, 8)
    assert server.paths == [] and not (house / "cache").exists()


def test_cache_and_mirror_may_be_given(house, server, shared_entry, monkeypatch, capsys):
    publish(house, server, shared_entry)
    monkeypatch.setenv("KERAS_SSL_ZOO", "/nowhere")
    assert hub.load("distant", cache_dir=house / "own", mirror=f"{server.address}/zoo", progress=False).built
    assert server.paths == ["/zoo/distant/encoder.safetensors"] and capsys.readouterr().err == ""
    assert (house / "own" / "distant" / "encoder.safetensors").is_file() and not (house / "cache").exists()
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    assert hub.load("distant", mirror=house / "own").built
    assert len(server.paths) == 1


def test_offline_says_what_is_wanted_where(house, server, shared_entry, monkeypatch):
    target = publish(house, server, shared_entry)
    monkeypatch.setenv("KERAS_SSL_OFFLINE", "1")
    with pytest.raises(DownloadError, match="distant/encoder.safetensors .2640 bytes.*OFFLINE forbids") as caught:
        hub.load("distant")
    assert f"put the file at '{target}'" in str(caught.value) and server.paths == []


def test_another_file_is_never_loaded(house, server, shared_entry):
    target = publish(house, server, shared_entry)
    content = server.files["/encoder.safetensors"]
    server.script = [Fault(flip=len(content) - 1)] * 2
    with pytest.raises(DownloadError, match="the bytes have sha256"):
        hub.load("distant")
    assert not target.exists()
    assert hub.load("distant").built
    target.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    server.script = [Fault(status=404)]
    with pytest.raises(DownloadError, match="404 Not Found"):
        hub.load("distant")
    assert not target.exists()


def test_a_first_use_is_compared_with_later_ones_or_refused(house, server, shared_entry, images):
    target = publish(house, server, shared_entry, sha256="first-use")
    with pytest.raises(ValueError, match="Received: require_hash=True"):
        hub.load("distant", require_hash=True)
    assert server.paths == []
    expected = run(hub.load("distant"), images)
    np.testing.assert_array_equal(run(hub.load("distant"), images), expected)
    content = target.read_bytes()
    target.unlink()
    server.files["/encoder.safetensors"] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(DownloadError, match="sha256 is that of the first download"):
        hub.load("distant")


def test_weights_beside_the_card_without_a_known_hash_are_no_first_use(house, server, shared_entry):
    target = publish(house, server, shared_entry, sha256="first-use")
    (house / "zoo" / "encoder.safetensors").write_bytes(b"anything")
    assert hub.load("distant").built and target.is_file() and len(server.paths) == 1


@pytest.mark.usefixtures("without_saved_model")
def test_heads_are_downloaded_too(house, server, tmp_path):
    def make():
        return keras_ssl.SimCLR(ConvNet(widths=(4, 8)), projector=(4, 3), views=lambda x, stream: [x, x])

    model = randomise(make())
    path = export_quietly(model, tmp_path / "saved_models" / "whole", heads=True)
    card = Card.read(path / "card.toml")
    server.files["/heads.safetensors"] = (path / "heads.safetensors").read_bytes()
    heads = card.heads_file
    away = CardFile(heads.name, heads.size, heads.sha256, f"{server.address}/heads.safetensors")
    files = tuple(away if file is heads else file for file in card.files)
    Card(files=files, name="whole", architecture=card.architecture).write(path / "card.toml")
    (path / "heads.safetensors").unlink()
    other = make()
    hub.load_heads(other, "whole", progress=False)
    expected = hub.head_weights(model)
    for name, variable in hub.head_weights(other).items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), keras.ops.convert_to_numpy(expected[name]))
    assert server.paths == ["/heads.safetensors"] and (house / "cache" / "whole" / "heads.safetensors").is_file()
