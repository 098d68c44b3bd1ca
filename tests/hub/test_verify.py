import os
import re
from dataclasses import replace

import keras
import pytest

from keras_ssl import hub
from keras_ssl.hub import Card, CardFile
from keras_ssl.hub.golden import GOLDEN_NAME
from keras_ssl.layers import ImagePreprocessing
from tests.checkpoints.published import resnet
from tests.hub.downloads import damage, without_backend
from tests.hub.published_entries import publish

FEATURES = "golden features"


def states(name_or_path, **arguments):
    return {finding.what: finding.state for finding in hub.verify(name_or_path, **arguments)}


def bad(name_or_path):
    """What is wrong, and how."""
    return {finding.what: finding.detail for finding in hub.verify(name_or_path) if finding.state == "bad"}


def test_a_sound_entry(shared_entry):
    expected = {file.name for file in Card.read(shared_entry / "card.toml").files} | {FEATURES}
    assert states(shared_entry) == dict.fromkeys(expected, "ok") and GOLDEN_NAME in expected


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "gone"])
def test_a_changed_file_is_found_and_its_features_are_not_computed(entry, how):
    path = entry / "encoder.safetensors"
    if how == "gone":
        path.unlink()
    else:
        damage(path, how)
    detail = {"flip": "sha256 .* instead of", "gone": "no file at"}.get(how, "bytes instead of 2640")
    (found,) = (finding for finding in hub.verify(entry) if finding.state == "bad")
    assert found.what == "encoder.safetensors"
    assert re.search(detail, found.detail)
    assert states(entry)[FEATURES] == "unknown"


def test_other_weights_under_a_right_hash_are_found_by_their_features(entry):
    """As a wrong conversion would publish them."""
    encoder = hub.load(entry, include_preprocessing=False)
    encoder.weights[-1].assign(encoder.weights[-1] * 1.02)
    hub.save_weights(encoder, entry / "encoder.safetensors")
    card = Card.read(entry / "card.toml")
    files = tuple(
        CardFile.of(entry / file.name, entry) if file.name == "encoder.safetensors" else file for file in card.files
    )
    replace(card, files=files).write(entry / "card.toml")
    assert hub.load(entry).built  # nothing else notices
    (problem,) = bad(entry).items()
    assert problem[0] == FEATURES and problem[1].startswith("differ by ")


def test_a_change_of_the_library_is_found_by_its_features(entry, monkeypatch):
    real = ImagePreprocessing.normalize
    monkeypatch.setattr(ImagePreprocessing, "normalize", lambda layer, images: real(layer, images) * 0.99)
    assert list(bad(entry)) == [FEATURES]
    monkeypatch.undo()
    monkeypatch.setattr(keras.layers.ReLU, "call", lambda layer, x: keras.ops.leaky_relu(x, 0.05))
    monkeypatch.setattr(keras.layers.Activation, "call", lambda layer, x: keras.ops.leaky_relu(x, 0.05))
    assert list(bad(entry)) == [FEATURES]


def test_weights_of_another_architecture_are_found(entry):
    text = (entry / "card.toml").read_text()
    (entry / "card.toml").write_text(text.replace("widths = [4, 8]", "widths = [4, 9]"))
    assert "(3, 3, 4, 8) instead of (3, 3, 4, 9)" in bad(entry)[FEATURES]


def test_an_entry_without_golden_features_says_so(entry):
    (entry / GOLDEN_NAME).unlink()
    card = Card.read(entry / "card.toml")
    replace(card, files=tuple(file for file in card.files if file.name != GOLDEN_NAME)).write(entry / "card.toml")
    assert states(entry)[FEATURES] == "unknown" and not bad(entry)


@without_backend
def test_what_is_not_here_is_not_downloaded(house, server):
    target = publish(house, server, "far", {"net.pth": resnet()[0]})
    assert states("far") == {"net.pth": "absent", FEATURES: "unknown"} and server.paths == []
    hub.load("far", progress=False)
    assert states("far")["net.pth"] == "ok"
    assert states("far", cache_dir=house / "other")["net.pth"] == "absent"
    before = target.stat()
    damage(target, "flip")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(bad("far")) == ["net.pth"] and len(server.paths) == 1
    (lock,) = target.parent.glob("*.lock")
    lock.write_text("{")
    assert "lock file" in bad("far")["net.pth"]
    lock.unlink()
    assert states("far")["net.pth"] == "unknown"


def test_the_entries_of_the_library_are_sound():
    for name in hub.list_models():
        assert not bad(name), name
