import shutil

import numpy as np
import pytest

from keras_ssl import hub
from keras_ssl.hub import catalogue
from tests.hub.entries import run


@pytest.fixture
def house(tmp_path, monkeypatch, shared_entry):
    """A library with two entries in saved_models and one in the zoo, and what is none."""
    for name in ("convnet_digits", "resnet_digits"):
        shutil.copytree(shared_entry, tmp_path / "saved_models" / name)
    (tmp_path / "saved_models" / "no_entry").mkdir()
    (tmp_path / "zoo" / "recipes").mkdir(parents=True)
    shutil.copy(shared_entry / "card.toml", tmp_path / "zoo" / "far_away.toml")  # its weights are not here
    card = (shared_entry / "card.toml").read_text().replace("encoder.safetensors", "near.safetensors")
    (tmp_path / "zoo" / "near.toml").write_text(card)
    shutil.copy(shared_entry / "encoder.safetensors", tmp_path / "zoo" / "near.safetensors")
    monkeypatch.setattr(catalogue, "data_folder", lambda name: tmp_path / name)
    return tmp_path


def test_the_catalogue_lists_what_can_be_loaded(house, images, shared_entry):
    assert hub.list_models() == ["convnet_digits", "near", "resnet_digits"]
    for name in hub.list_models():
        np.testing.assert_array_equal(run(hub.load(name), images), run(hub.load(shared_entry), images))


def test_the_library_s_own_entries_load():
    names = [path.name for path in catalogue.data_folder("saved_models").iterdir() if path.is_dir()]
    assert set(names) <= set(hub.list_models())
    for name in names:
        assert hub.load(name).built
    for folder in ("zoo", "saved_models"):
        assert catalogue.data_folder(folder).is_dir()


def test_two_entries_of_one_name_are_refused(house):
    shutil.copytree(house / "saved_models" / "resnet_digits", house / "saved_models" / "near")
    with pytest.raises(ValueError, match="same name. Received: .*near/card.toml.*near.toml"):
        hub.list_models()


def test_unknown_names_come_with_the_closest(house):
    with pytest.raises(ValueError, match="Closest: convnet_digits.* Received: name_or_path='convnet_digit'"):
        hub.load("convnet_digit")
    with pytest.raises(ValueError, match="Known: convnet_digits, near, resnet_digits. Received: name_or_path='x'"):
        hub.load("x")


def test_a_name_reads_no_other_card(house):
    (house / "zoo" / "far_away.toml").write_text("damaged")
    for name in ("near", "resnet_digits"):
        assert catalogue.find(name).read_card().name == "tiny"
    with pytest.raises(ValueError, match="far_away.toml"):
        hub.list_models()


def test_a_name_comes_before_a_folder_of_that_name(house, monkeypatch, tmp_path):
    (tmp_path / "here" / "near").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert hub.load("near").built
    with pytest.raises(ValueError, match="not an entry"):
        hub.load("./near")


def test_paths_of_all_kinds(house, monkeypatch):
    monkeypatch.chdir(house / "saved_models" / "resnet_digits")
    assert catalogue.find(".").name == "resnet_digits"
    assert catalogue.find(house / "saved_models" / "resnet_digits").read_card().name == "tiny"
    assert catalogue.find(str(house / "saved_models" / "resnet_digits")).folder.is_dir()


def test_models_are_listed_by_license_channels_and_claim():
    every = hub.list_models(non_commercial=True)
    permissive = hub.list_models(license="permissive")
    assert set(permissive) < set(every) and "barlow_digits" in permissive
    assert set(hub.list_models(license="CC-BY-NC-4.0")) == set(every) - set(permissive)
    assert hub.list_models(license="WTFPL") == []
    good = hub.list_models(min_knn=74.5)
    assert "dino_vits16" in good and "barlow_digits" not in good
    assert hub.list_models(min_knn=100) == []
    assert hub.list_models(channels=3) and "barlow_digits" not in hub.list_models(channels=4)


@pytest.mark.parametrize("wrong", [{"license": 3}, {"channels": 0}, {"min_knn": -1}, {"min_knn": float("nan")}])
def test_filters_of_another_kind_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*Received: "):
        hub.list_models(**wrong)
