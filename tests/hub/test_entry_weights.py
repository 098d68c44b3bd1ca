"""Entries whose file is another project's checkpoint, on a server of this machine."""

import os
import shutil
import sys

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.checkpoints import CheckpointError
from keras_ssl.hub import Card, DownloadError
from tests.checkpoints.published import RESNETS, prefixed, projector, resnet, resnet_features
from tests.hub.published_entries import IMAGENET, publish
from tests.hub.test_published_weights import projections


def pixels():
    return np.random.default_rng(3).integers(0, 256, (2, 32, 40, 3)).astype("uint8")


def normalized(images):
    return (images / 255 - IMAGENET["mean"]) / IMAGENET["std"]


def run(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@pytest.mark.slow
def test_it_loads_by_name_from_its_publisher_and_then_from_the_cache(house, server):
    weights, _ = resnet()
    target = publish(house, server, "far", {"net.pth": RESNETS["moco v3"](weights)})
    expected = resnet_features(weights, normalized(pixels()))
    assert hub.list_models() == ["far"]
    np.testing.assert_allclose(run(keras_ssl.load("far", progress=False), pixels()), expected, atol=1e-4)
    assert target.is_file() and server.paths == ["/far/net.pth"]
    encoder = keras_ssl.load("far", progress=False, include_preprocessing=False)
    assert server.paths == ["/far/net.pth"]
    np.testing.assert_allclose(run(encoder, hub.preprocessing("far")(pixels())), expected, atol=1e-4)


def test_the_publisher_s_file_may_not_change(house, server):
    weights, _ = resnet()
    target = publish(house, server, "far", {"net.pth": weights})
    with pytest.raises(ValueError, match="Received: require_hash=True"):
        hub.load("far", require_hash=True)
    assert server.paths == []
    hub.load("far", progress=False)
    target.unlink()
    publish(house, server, "far", {"net.pth": weights | {"bn1.bias": np.ones(16, "float32")}})
    with pytest.raises(DownloadError, match="is that of the first download"):
        hub.load("far", progress=False)


def test_keys_and_prefixes_of_the_card_lead_to_the_weights(house, server):
    weights, _ = resnet()
    tree = {"ema": prefixed("net.", weights), "model": prefixed("net.", weights)}
    how = {"path": "net.pth", "keys": ["ema"], "prefixes": ["net."]}
    publish(house, server, "far", {"net.pth": tree}, checkpoint=how)
    assert hub.load("far", progress=False).built
    publish(house, server, "near", {"near.pth": tree})
    with pytest.raises(CheckpointError, match="missing: conv1.weight.*Received: source=.*near.pth"):
        hub.load("near", progress=False)


def test_a_checkpoint_may_lie_beside_its_card(house, server):
    weights, _ = resnet()
    target = publish(house, server, "far", {"net.pth": weights})
    hub.load("far", progress=False)
    folder = house / "mine"
    folder.mkdir()
    shutil.copy(target, folder)
    card = Card.read(house / "zoo" / "far.toml")
    fields = {name: getattr(card, name) for name in ("name", "architecture", "preprocessing", "checkpoint")}
    Card(files=(hub.CardFile.of(folder / "net.pth", folder),), **fields).write(folder / "card.toml")
    assert hub.load(folder).built and server.paths == ["/far/net.pth"]
    content = target.read_bytes()
    (folder / "net.pth").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="its sha256 must be"):
        hub.load(folder)


OBJECTIVE = {"name": "BarlowTwins", "arguments": {"projector": [12, 6]}}


def test_pretraining_goes_on_with_the_published_projector(house, server):
    weights, _ = resnet()
    head = projector(12, 6, bias=False)
    whole = {"model": prefixed("module.backbone.", weights) | prefixed("module.projector.", head)}
    checkpoint = {"path": "net.pth", "heads": "whole.pth"}
    publish(house, server, "far", {"net.pth": weights, "whole.pth": whole}, checkpoint=checkpoint, objective=OBJECTIVE)
    hub.load("far", progress=False)
    assert server.paths == ["/far/net.pth"]
    model = hub.load("far", heads=True, progress=False)
    assert server.paths == ["/far/net.pth", "/far/whole.pth"] and isinstance(model, keras_ssl.BarlowTwins)
    expected = resnet_features(weights, normalized(pixels()))
    np.testing.assert_allclose(run(model, pixels()), expected, atol=1e-4)
    x = np.random.default_rng(0).normal(size=(5, 16)).astype("float32")
    actual = keras.ops.convert_to_numpy(model.projector(x, training=False))
    np.testing.assert_allclose(actual, projections(head, x, 2), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="in one file with its encoder.*Received: path='far'"):
        hub.load_heads(model, "far")


def test_an_entry_without_heads_says_so_before_it_is_downloaded(house, server):
    publish(house, server, "far", {"net.pth": resnet()[0]}, objective=OBJECTIVE)
    with pytest.raises(ValueError, match="no heads.*Received: heads=True, entry='far'"):
        hub.load("far", heads=True)
    assert server.paths == []


@pytest.mark.parametrize("how", ["replaced", "written to"])
def test_a_file_that_changes_while_it_is_read_is_refused(house, server, monkeypatch, how):
    """Else the weights could be others than those whose hash was compared."""
    target = publish(house, server, "far", {"net.pth": resnet()[0]})
    hub.load("far", progress=False)
    module = sys.modules["keras_ssl.hub.entry_weights"]
    right = module.mapped_checkpoint

    def exchanged(*args, **more):
        result = right(*args, **more)
        if how == "replaced":
            shutil.copy(target, house / "other")
            os.replace(house / "other", target)
        else:
            with target.open("r+b") as stream:
                stream.write(b"P")
        return result

    monkeypatch.setattr(module, "mapped_checkpoint", exchanged)
    monkeypatch.setattr(module, "assign_mapped", lambda *args: pytest.fail("weights were assigned"))
    with pytest.raises(ValueError, match="was written to while it was read. Received: path="):
        hub.load("far", progress=False)
