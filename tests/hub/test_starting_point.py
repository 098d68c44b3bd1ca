import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.hub.starting_point import pretrained
from keras_ssl.registry import find
from tests.hub.entries import export_quietly, randomise, run

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), "uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture(scope="module")
def vit_entry(tmp_path_factory):
    """A vision transformer of patches of 4 pixels, made for 16 pixels."""
    folder = tmp_path_factory.mktemp("entries") / "tiny_vit"
    encoder = keras_ssl.encoders.ViT("Ti", 4, width=16, depth=2, heads=2, image_size=16, layer_scale=0.5)
    model = keras_ssl.BarlowTwins(randomise(encoder), projector=(8,), views=keras_ssl.views.simclr(16, blur=False))
    export_quietly(model, folder)
    return folder


def crops(local=8, size=16):
    return keras_ssl.views.dino(size, local_size=local, local_copies=2, blur=False)


TINY = {"projector": (24, 12), "out_dim": 10, "freeze_steps": 0, "momentum": 0.9}


def test_any_objective_takes_a_loaded_entry_as_it_is():
    whole, bare = keras_ssl.load("barlow_digits"), keras_ssl.load("barlow_digits", include_preprocessing=False)
    layer = keras_ssl.preprocessing("barlow_digits")
    expected, losses = run(whole, IMAGES), []
    for encoder, options in ((whole, {}), (bare, {"preprocessing": layer})):
        keras.utils.set_random_seed(0)
        views = keras_ssl.views.simclr(16, blur=False)
        model = keras_ssl.BarlowTwins(encoder, projector=(8,), views=views, **options)
        np.testing.assert_allclose(model.predict(IMAGES, verbose=0), expected, atol=1e-5)
        model.compile(keras.optimizers.SGD(1e-3), jit_compile=False)
        losses.append(model.fit(IMAGES, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"])
        after = model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert np.abs(after - expected).max() > 1e-6  # the encoder learned


def test_from_entry_is_the_entry_with_new_heads():
    model = keras_ssl.BarlowTwins.from_entry("barlow_digits", (8,), scale=0.5, seed=4)
    assert type(model) is keras_ssl.BarlowTwins and model.scale == 0.5 and model.seed == 4
    assert list(model.projector.widths) == [8]
    np.testing.assert_allclose(
        model.predict(IMAGES, verbose=0), run(keras_ssl.load("barlow_digits"), IMAGES), atol=1e-5
    )
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()


def test_every_objective_has_it():
    for name in keras_ssl.list_methods():  # those that another test registers are among them
        assert callable(find("objective", name).target.from_entry)


def test_the_teacher_begins_as_the_entry(vit_entry):
    model = keras_ssl.DINOv2.from_entry(vit_entry, views=crops(), **TINY)
    teacher = model.teacher.modules[0]
    for mine, theirs in zip(
        teacher.weights, keras_ssl.load(vit_entry, include_preprocessing=False).weights, strict=True
    ):
        np.testing.assert_array_equal(numbers(mine), numbers(theirs))


@pytest.mark.parametrize("size", [8, 24, 32])
def test_positions_are_interpolated_to_the_size_of_the_images(vit_entry, size):
    x = np.random.default_rng(1).normal(size=(2, size, size, 3)).astype("float32")
    old, new = pretrained(vit_entry), pretrained(vit_entry, image_size=size)
    assert new.image_size == size and new.get_layer("tokens").position.shape[0] == 1 + (size // 4) ** 2
    np.testing.assert_allclose(run(new, x), run(old, x), atol=1e-5)
    model = keras_ssl.DINOv2.from_entry(vit_entry, image_size=size, views=crops(8, size), **TINY)
    assert model.encoder.image_size == size


def test_the_entry_s_own_size_changes_nothing(vit_entry):
    for a, b in zip(pretrained(vit_entry).weights, pretrained(vit_entry, image_size=16).weights, strict=True):
        np.testing.assert_array_equal(numbers(a), numbers(b))


def test_errors_name_what_does_not_fit(vit_entry):
    with pytest.raises(ValueError, match="`image_size` must be a multiple of 4, the patch size of .*image_size=18"):
        keras_ssl.DINOv2.from_entry(vit_entry, image_size=18)
    with pytest.raises(ValueError, match="`image_size`.*Received: image_size=0"):
        keras_ssl.DINOv2.from_entry(vit_entry, image_size=0)
    with pytest.raises(ValueError, match="`views` must make .* patch size, 4. Received: views of 16x16, 10x10 pixels"):
        keras_ssl.DINOv2.from_entry(vit_entry, views=crops(10), **TINY)
    with pytest.raises(ValueError, match="`encoder` must be a vision transformer for DINOv2"):
        keras_ssl.DINOv2.from_entry("barlow_digits")
    with pytest.raises(ValueError, match="Closest: barlow_digits"):
        keras_ssl.BarlowTwins.from_entry("barlow_digit")
    with pytest.raises(ValueError, match="`image_size` must be a multiple of 14, the patch size of dinov2_vits14"):
        keras_ssl.DINOv2.from_entry("dinov2_vits14", image_size=225)  # before anything is downloaded


RECIPE = {
    "objective": {"name": "BarlowTwins", "projector": [8]},
    "encoder": {"name": "Pretrained", "entry": "barlow_digits"},
    "views": {"name": "pipeline", "ops": [{"name": "RandomFlip"}]},
    "optimizer": {"name": "AdamW", "learning_rate": 1e-3, "layer_decay": 0.5},
    "schedule": {"name": "WarmupCosine"},
    "training": {"batch_size": 8, "epochs": 1},
    "data": {"name": "colored_digits", "count": 24, "size": 16},
}


def test_a_recipe_goes_on_from_an_entry():
    recipe = hub.Recipe(RECIPE)
    assert recipe.entry == "barlow_digits" and hub.Recipe.read("simclr_digits").entry is None
    batches, _ = recipe.build_data()
    model = recipe.build_model()
    np.testing.assert_allclose(
        model.predict(IMAGES, verbose=0), run(keras_ssl.load("barlow_digits"), IMAGES), atol=1e-5
    )
    optimizer = recipe.build_optimizer(len(batches), model)
    assert optimizer.multipliers["block1_conv/kernel"] == 0.5**4  # not built yet
    model.compile(optimizer)
    assert np.isfinite(model.fit(batches, epochs=1, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="`model` must be given .*Received: layer_decay=0.5"):
        recipe.build_optimizer(3)
    with pytest.raises(ValueError, match=r"In section \[optimizer\] of the recipe: `decay` must lie in"):
        recipe.override("optimizer.layer_decay=2.0").build_optimizer(3, model)
    with pytest.raises(ValueError, match=r"In section \[encoder\] of the recipe: .*Closest: barlow_digits"):
        recipe.override("encoder.entry=barlow_digit").build_model()


def test_layer_decay_is_really_applied():
    """Blocks of one gradient step of SGD move by their multipliers times what they move without."""
    sections = {name: table for name, table in RECIPE.items() if name != "schedule"}
    recipe = hub.Recipe({**sections, "optimizer": {"name": "SGD", "learning_rate": 0.1}})

    def moved(*settings):
        read = recipe.override(*settings)
        batches, _ = read.build_data()
        batches.shorten(1)
        model = read.build_model()
        before = [numbers(v) for v in model.trainable_variables]
        model.compile(read.build_optimizer(1, model), jit_compile=False)
        model.fit(batches, epochs=1, verbose=0)
        return {v.path: numbers(v) - b for v, b in zip(model.trainable_variables, before, strict=True)}

    plain, decayed = moved(), moved("optimizer.layer_decay=0.5")
    for path, change in plain.items():
        factor = 0.5 ** (5 - int(path[5])) if path.startswith("block") else 1.0
        np.testing.assert_allclose(decayed[path], factor * change, rtol=1e-2, atol=1e-6)


def test_pretrain_starts_from_an_entry(tmp_path):
    photos = np.random.default_rng(3).integers(0, 256, (32, 16, 16, 3), "uint8")
    model = keras_ssl.pretrain(photos, out=tmp_path / "run", start="barlow_digits", epochs=1, smoke=True, verbose=0)
    recipe = hub.read_run(tmp_path / "run").recipe if (tmp_path / "run" / "recipe.toml").exists() else None
    assert type(model.optimizer).__name__ == "LayerWiseRates" and model.feature_dim == 128
    assert recipe is None or recipe.entry == "barlow_digits"
    with pytest.raises(ValueError, match="`encoder` is that of `start`. Received: encoder='ConvNet', start="):
        keras_ssl.pretrain(photos, out=tmp_path / "other", start="barlow_digits", encoder="ConvNet")
