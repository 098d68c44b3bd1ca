"""The home folder in every argument that is a path."""

import os

import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import Checkpoint, TensorBoard, check_writable, restore_checkpoint
from keras_ssl.callbacks.projector_files import write_projector
from keras_ssl.checkpoints import read_checkpoint
from keras_ssl.data.image_records import _shards
from keras_ssl.hub import atomic_file, load_weights, read_run, save_weights
from keras_ssl.hub.atomic import atomic_folder
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.paths import user_path
from keras_ssl.report import read_history


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert os.listdir(tmp_path / "here") == []


def test_what_is_a_home_and_what_is_not(home, monkeypatch):
    assert user_path("~/runs") == f"{home}/runs" and user_path("a/~/b") == "a/~/b" and user_path("gs://a") == "gs://a"
    assert user_path("~nosuchuser/x") == "~nosuchuser/x"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert user_path("~/x") == "~/x"  # an account without a home, as in containers


def test_what_writes(home):
    check_writable("~/checked")
    assert Checkpoint("~/run").folder == home / "run"
    assert TensorBoard("~/board").log_dir == home / "board"
    write_projector("~/projected", np.eye(3), np.zeros((3, 8, 8, 3), "uint8"))
    with atomic_file("~/file") as staging:
        staging.write_text("x")
    with atomic_folder("~/folder"):
        pass
    assert sorted(os.listdir(home)) == ["board", "checked", "file", "folder", "projected"]


def test_what_reads(home):
    encoder = keras_ssl.encoders.ConvNet(widths=(4,), input_shape=(8, 8, 3))
    save_weights(encoder, "~/weights.safetensors")
    load_weights(encoder, "~/weights.safetensors")
    assert read_checkpoint("~/weights.safetensors").keys()
    np.savez(home / "data.npz", x=np.zeros((4, 8, 8, 3), "uint8"))
    assert len(data_source("~/data.npz").read().x) == 4
    keras_ssl.Recipe.read("simclr_digits").write("~/recipe.toml")
    assert keras_ssl.Recipe.read("~/recipe.toml").sections["objective"]["name"] == "SimCLR"
    (home / "a.tfrecord").touch()
    assert _shards("~") == [f"{home}/a.tfrecord"] == _shards("~/*.tfrecord") == _shards(["~/a.tfrecord"])
    (home / "history.json").write_text('{"loss": [1.0]}')
    assert read_history("~") == {"loss": [1.0]}
    (home / "entry").mkdir()
    (home / "entry" / "card.toml").touch()
    assert find("~/entry").folder == home / "entry"
    with pytest.raises(ValueError, match=r"has a recipe.toml|has a model.weights.h5"):
        read_run("~")
    with pytest.raises(ValueError, match="no whole checkpoint"):
        restore_checkpoint(None, "~")
