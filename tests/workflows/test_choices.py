"""What `pretrain` chooses from the number and size of the images."""

import keras
import numpy as np
import pytest
from PIL import Image

import keras_ssl
from keras_ssl.workflows import choices
from keras_ssl.workflows.choices import DataFacts, choose, facts_of


@pytest.fixture(params=[True, False], ids=["cpu", "accelerator"])
def cpu(request, monkeypatch):
    monkeypatch.setattr(choices, "on_cpu", lambda: request.param)
    return request.param


def photos(folder, count=20, size=(60, 40), start=0):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(start).randint(0, 256, (count, *size, 3), "uint8")
    for number, image in enumerate(pixels, start):
        Image.fromarray(image).save(folder / f"{number:03d}.png")


def test_every_choice_is_in_the_recipe(cpu):
    recipe, chosen = choose(DataFacts("photos", 50_000, 300, True))
    for choice in chosen:
        section, key = choice.setting.split(".")
        assert recipe.sections[section][key] == choice.value and choice.reason
    assert recipe.sections["views"]["size"] == recipe.sections["data"]["size"] == (64 if cpu else 224)
    assert recipe.sections["encoder"]["name"] == ("ConvNet" if cpu else "ResNet")
    training = recipe.sections["training"]
    updates = training["epochs"] * (50_000 // training["batch_size"])
    assert updates == pytest.approx(3000 if cpu else 20000, rel=0.05)
    assert recipe.sections["schedule"]["warmup_epochs"] < training["epochs"]


@pytest.mark.parametrize(("count", "batch"), [(16, 8), (40, 8), (128, 32), (300, 64), (512, 128), (10**7, 128)])
def test_a_batch_leaves_four_in_an_epoch_and_is_not_too_large(count, batch, monkeypatch):
    monkeypatch.setattr(choices, "on_cpu", lambda: True)
    recipe, _ = choose(DataFacts(None, count, 32, False))
    training = recipe.sections["training"]
    assert training["batch_size"] == batch and 2 <= training["epochs"] <= 200
    assert recipe.sections["optimizer"]["learning_rate"] == pytest.approx(2e-3 * (batch / 128) ** 0.5, rel=0.03)


@pytest.mark.parametrize(("side", "size"), [(12, 12), (16, 16), (50, 48), (64, 64), (5000, 64), (None, 64)])
def test_images_are_not_enlarged(side, size, monkeypatch):
    monkeypatch.setattr(choices, "on_cpu", lambda: True)
    assert choose(DataFacts("photos", 100, side, True))[0].sections["views"]["size"] == size


def test_what_is_said_is_not_chosen(cpu):
    given = {"method": "BarlowTwins", "encoder": "ConvNet", "image_size": 24, "batch_size": 10, "epochs": 3, "seed": 5}
    recipe, chosen = choose(DataFacts("photos", 500, 300, True), **given)
    settings = [choice.setting for choice in chosen]
    assert settings[-1] == "optimizer.learning_rate" and all(s.startswith("objective.") for s in settings[:-1])
    expected = {"name": "BarlowTwins", "projector": [512, 512, 512], "redundancy_weight": 0.02}
    assert recipe.sections["objective"] == expected and recipe.sections["views"]["size"] == 24
    assert {key: recipe.sections["training"][key] for key in ("batch_size", "epochs", "seed")} == {
        "batch_size": 10,
        "epochs": 3,
        "seed": 5,
    }


def test_a_method_of_tokens_gets_a_transformer(cpu):
    for side in (12, 32, 64, 224):
        recipe, chosen = choose(DataFacts(None, 500, side, False), method="MAE")
        encoder, size = recipe.sections["encoder"], recipe.sections["views"]["size"]
        assert encoder["name"] == "ViT" and size % encoder["patch_size"] == 0 and size <= side
        assert recipe.sections["optimizer"]["name"] == "AdamW"
    assert choose(DataFacts(None, 500, 16, False), method="MAE")[0].build_model().encoder.image_size == 16


@pytest.mark.parametrize(("size", "crops"), [(64, None), (96, "full")])
def test_larger_crops_come_from_the_files_as_they_are(size, crops):
    recipe, chosen = choose(DataFacts("photos", 500, 300, True), image_size=size)
    assert recipe.sections["data"].get("crops") == crops
    assert ("data.crops" in {choice.setting for choice in chosen}) == (crops is not None)
    # A method that is given may begin otherwise, and arrays have no files.
    recipe, _ = choose(DataFacts("photos", 500, 300, True), image_size=size, method={"name": "SimCLR"})
    assert "crops" not in recipe.sections["data"]
    assert "data" not in choose(DataFacts(None, 500, 300, False), image_size=size)[0].sections


def test_a_recipe_that_was_chosen_can_be_written_and_built(tmp_path):
    recipe, _ = choose(DataFacts("colored_digits", 100, 16, False, 3))
    recipe.write(tmp_path / "recipe.toml")
    assert keras_ssl.Recipe.read(tmp_path / "recipe.toml") == recipe
    assert recipe.build_model().feature_dim == 128


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels(channels):
    recipe, chosen = choose(facts_of(np.zeros((32, 20, 16, channels), "uint8")))
    assert recipe.sections["views"]["color"] is False and "views.color" in [choice.setting for choice in chosen]
    assert recipe.build_model().encoder.input_shape == (None, 16, 16, channels)


def test_facts_of_a_folder(tmp_path):
    photos(tmp_path / "train" / "a", 7)
    photos(tmp_path / "train" / "b", 6, (30, 90), start=50)
    photos(tmp_path / "test" / "a", 3, (10, 10))
    (tmp_path / "train" / "b" / "broken.jpg").write_bytes(b"no image")
    assert facts_of(tmp_path) == DataFacts(str(tmp_path), 14, 40, True)
    assert facts_of("colored_digits").count == 6000


def test_facts_of_data_in_memory():
    images = np.zeros((30, 12, 20, 1), "uint8")
    assert facts_of(images) == DataFacts(None, 30, 12, False, 1)
    assert facts_of(keras_ssl.data.from_arrays(images, batch_size=5)) == DataFacts(None, 30, 12, False, 1)
    assert facts_of(keras.ops.zeros((30, 12, 20, 3))).count == 30


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "SimCLRR"}, "Closest: SimCLR"),
        ({"method": "TabularJEPA"}, "which is for table"),
        ({"method": "SupCon"}, "which needs y"),
        ({"encoder": "ResNets"}, "Closest: ResNet"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"batch_size": 101}, "batch_size=101"),
        ({"epochs": 0}, "epochs=0"),
        ({"image_size": 2}, "image_size=2"),
    ],
)
def test_refuses_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        choose(DataFacts("photos", 100, 32, True), **given)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("nowhere", "Received: data='nowhere'"),
        ("sklearn:wine", "for tables see TabularJEPA"),
        (np.zeros((20, 8)), r"and shape \(20, 8\)"),
        ([1, 2], "data of type list"),
        (None, "data of type NoneType"),
    ],
)
def test_refuses_data(data, message):
    with pytest.raises(ValueError, match=message):
        facts_of(data)


def test_refuses_too_few_images_and_empty_folders(tmp_path):
    with pytest.raises(ValueError, match="a folder without any"):
        facts_of(tmp_path)
    with pytest.raises(ValueError, match="at least 16 images. Received: data with 10 images"):
        choose(facts_of(np.zeros((10, 8, 8, 3), "uint8")))
