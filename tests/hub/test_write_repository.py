import shutil

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.hub import Card
from keras_ssl.hub.catalogue import data_folder
from tests.hub.downloads import without_backend
from tests.hub.entries import run

pytestmark = without_backend


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_is_an_entry_without_a_program(images, tmp_path):
    folder = hub.write_repository("barlow_digits", tmp_path / "made", repository="me/tiny")
    assert names(folder) == ["README.md", "card.toml", "encoder.safetensors", "golden.safetensors"]
    np.testing.assert_array_equal(run(keras_ssl.load(folder), images), run(keras_ssl.load("barlow_digits"), images))
    card = Card.read(folder / "card.toml")
    assert not card.saved_model and {file.name for file in card.files} == {"encoder.safetensors", "golden.safetensors"}
    assert "keras_ssl.load('hf://me/tiny')" in (folder / "README.md").read_text()
    assert {found.state for found in hub.verify(folder)} == {"ok"}


def test_the_client_of_the_hub_reads_the_header(tmp_path):
    cards = pytest.importorskip("huggingface_hub")
    folder = hub.write_repository("barlow_digits", tmp_path / "made")
    data = cards.ModelCard.load(folder / "README.md").data
    assert (data.license, data.library_name) == ("apache-2.0", "keras_ssl")
    assert data.pipeline_tag == "image-feature-extraction"
    assert data.tags == ["self-supervised-learning", "keras", "convnet", "barlowtwins"]


def test_heads_and_configuration_go_with_it(tmp_path, without_saved_model):
    inputs = keras.Input((8, 8, 3))
    encoder = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs)))
    model = keras_ssl.SimCLR(encoder, projector=(8, 4))
    hub.export(model, tmp_path / "entry", heads=True)
    folder = hub.write_repository(tmp_path / "entry", tmp_path / "made")
    assert {"heads.safetensors", "architecture.json"} <= set(names(folder))
    x = np.zeros((1, 8, 8, 3), "uint8")
    np.testing.assert_array_equal(run(keras_ssl.load(folder), x), run(keras_ssl.load(tmp_path / "entry"), x))


def test_an_entry_is_overwritten_and_nothing_else_is(tmp_path):
    folder = hub.write_repository("barlow_digits", tmp_path / "made")
    with pytest.raises(FileExistsError, match="exists already"):
        hub.write_repository("barlow_digits", folder)
    (folder / "old").touch()
    assert "old" not in names(hub.write_repository("barlow_digits", folder, overwrite=True))
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="Only an entry"):
        hub.write_repository("barlow_digits", tmp_path / "mine", overwrite=True)


def test_damaged_weights_leave_nothing(tmp_path):
    entry = shutil.copytree(data_folder("saved_models") / "barlow_digits", tmp_path / "copy")
    weights = entry / "encoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match="its sha256 must be"):
        hub.write_repository(entry, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_other_projects_files_and_licenses_that_must_be_accepted(tmp_path):
    with pytest.raises(ValueError, match="another project's file.*Received: name_or_path='dino_vits16'"):
        hub.write_repository("dino_vits16", tmp_path / "made")
    with pytest.raises(ValueError, match="accept_license="):
        hub.write_repository("fcmae_convnext_atto", tmp_path / "made")
    with pytest.raises(ValueError, match="`repository` must be of the form owner/name. Received: repository='tiny'"):
        hub.write_repository("barlow_digits", tmp_path / "made", repository="tiny")
