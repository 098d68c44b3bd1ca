import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.hub import Recipe
from keras_ssl.optimizers import LARS
from keras_ssl.random import Stream
from keras_ssl.schedules import WarmupCosine

TINY = {
    "objective": {"name": "SimCLR", "projector": [8, 4], "temperature": 0.2},
    "encoder": {"name": "ConvNet", "widths": [4, 8]},
    "views": {"name": "simclr", "size": 16, "blur": False},
    "optimizer": {"name": "LARS", "learning_rate": 0.1, "eta": 0.02},
    "schedule": {"name": "WarmupCosine", "warmup_epochs": 1, "final": 0.01},
    "training": {"batch_size": 8, "epochs": 4},
    "data": {"name": "coloured_digits", "count": 20},
}


@pytest.fixture
def recipe():
    return Recipe(TINY)


@pytest.mark.parametrize("name", hub.list_recipes())
def test_the_library_s_recipes_are_valid(name):
    recipe = Recipe.read(name)
    assert recipe.build_optimizer(10).get_config()["learning_rate"]["class_name"] == "WarmupCosine"


def test_every_objective_has_a_recipe_at_two_sizes():
    for size in ("digits", "cifar10"):
        names = {
            Recipe.read(name).sections["objective"]["name"] for name in hub.list_recipes() if name.endswith(f"_{size}")
        }
        assert names == set(keras_ssl.objectives.__all__)


@pytest.mark.parametrize("name", [name for name in hub.list_recipes() if "digits" in name])
def test_recipes_of_the_digits_make_views_and_an_objective(name):
    recipe = Recipe.read(name).override("data.count=16", "training.batch_size=8", "encoder.widths=[4]")
    batches, images = recipe.build_data()
    assert images.x.shape == (16, 16, 16, 3) and len(batches) == 2
    model = recipe.build_model()
    if not model.views.is_random:  # an objective that takes the images as they are
        return
    views = model.views(batches[0]["x"], Stream(0, 0, np.arange(8)))
    assert len(views) >= 2 and {tuple(view.shape) for view in views[:2]} == {(8, 16, 16, 3)}
    assert not np.array_equal(*(keras.ops.convert_to_numpy(view) for view in views[:2]))


def test_a_recipe_trains(recipe):
    recipe = recipe.override("views.name=pipeline", "views.ops=[{name='RandomFlip'}]")  # little to compile
    batches, _ = recipe.build_data()
    model = recipe.build_model()
    model.compile(recipe.build_optimizer(len(batches)))
    losses = model.fit(batches, epochs=2, verbose=0).history["loss"]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert int(model.step) == 4


def test_what_is_built_is_what_the_sections_say(recipe):
    model = recipe.build_model()
    assert type(model).__name__ == "SimCLR" and model.temperature == 0.2 and model.seed == 0
    assert list(model.projector.widths) == [8, 4]
    assert model.encoder.widths == (4, 8)
    assert model.preprocessing.mean != 0.5
    batches, images = recipe.build_data()
    assert len(batches) == 2 and batches[0]["x"].shape == (8, 16, 16, 3)
    assert len(images.x) == 20
    optimizer = recipe.build_optimizer(len(batches))
    assert isinstance(optimizer, LARS) and optimizer.eta == 0.02
    schedule = optimizer._learning_rate
    assert isinstance(schedule, WarmupCosine)
    assert (schedule.peak, schedule.total_steps, schedule.warmup_steps, schedule.final) == (0.1, 8, 2, 0.01)


def test_without_schedule_the_rate_is_constant():
    recipe = Recipe({key: table for key, table in TINY.items() if key != "schedule"})
    assert float(recipe.build_optimizer(3).learning_rate) == pytest.approx(0.1)


def test_preprocessing_and_precision_reach_the_model(recipe):
    other = recipe.override("preprocessing.mean=0.5", "preprocessing.std=0.25", "training.precision=mixed_bfloat16")
    before = keras.config.dtype_policy().name
    model = other.build_model()
    assert model.preprocessing.mean == 0.5 and model.encoder.layers[1].compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == before


def test_the_seed_decides_initial_weights_and_nothing_else_does(recipe):
    first = recipe.build_model()
    keras.layers.Dense(3).build((None, 2))
    second, other = recipe.build_model(), recipe.override("training.seed=1").build_model()
    for a, b, c in zip(first.weights, second.weights, other.weights, strict=True):
        a, b, c = (keras.ops.convert_to_numpy(v) for v in (a, b, c))
        np.testing.assert_array_equal(a, b)
        assert a.ndim < 2 or not np.array_equal(a, c)
    assert other.seed == 1


def test_building_leaves_random_numbers_alone(recipe):
    import random

    random.seed(5)
    expected = random.random()
    random.seed(5)
    recipe.build_model()
    assert random.random() == expected


def test_files_round_trip(recipe, tmp_path):
    recipe.write(tmp_path / "recipe.toml")
    assert Recipe.read(tmp_path / "recipe.toml") == recipe
    for name in hub.list_recipes():
        Recipe.read(name).write(tmp_path / "recipe.toml")
        assert Recipe.read(tmp_path / "recipe.toml") == Recipe.read(name)


def test_every_default_of_training_is_written(recipe):
    assert "seed = 0" in recipe.text() and 'jit_compile = "auto"' in recipe.text()


@pytest.mark.parametrize(
    "setting, section, key, value",
    [
        ("optimizer.learning_rate=0.5", "optimizer", "learning_rate", 0.5),
        ("optimizer.learning_rate = 1e-3", "optimizer", "learning_rate", 1e-3),
        ("optimizer.clip=true", "optimizer", "clip", True),
        ("encoder.widths=[1, 2]", "encoder", "widths", [1, 2]),
        ("encoder.input_shape=['none', 'none', 1]", "encoder", "input_shape", [None, None, 1]),
        ("training.precision=mixed_float16", "training", "precision", "mixed_float16"),
        ('training.precision="mixed_float16"', "training", "precision", "mixed_float16"),
        ("views.size=none", "views", "size", None),
        ("data.name=a folder = of photos", "data", "name", "a folder = of photos"),
        ("data.name=3\nx=4", "data", "name", "3\nx=4"),
    ],
)
def test_override_reads_toml_and_tolerates_texts(recipe, setting, section, key, value):
    changed = recipe.override(setting)
    assert changed.sections[section][key] == value
    assert recipe == Recipe(TINY)
    assert all(changed.sections[name] == table for name, table in recipe.sections.items() if name != section)


def test_another_name_drops_the_settings_of_the_last_one(recipe):
    changed = recipe.override("objective.redundancy_weight=0.02", "objective.name=BarlowTwins")
    assert changed.sections["objective"] == {"name": "BarlowTwins", "redundancy_weight": 0.02}
    assert recipe.override("objective.name=SimCLR") == recipe


@pytest.mark.parametrize("setting", ["learning_rate=3", "optimizer.learning_rate", "=3", ".a=3", "optimizer.=3", ""])
def test_settings_have_a_form(recipe, setting):
    with pytest.raises(ValueError, match="form section.key=value. Received: "):
        recipe.override(setting)


def test_unknown_keys_sections_and_names_are_errors(recipe):
    with pytest.raises(ValueError, match="LARS has no setting 'beta_1'; .optimizer. knows learning_rate, momentum"):
        recipe.override("optimizer.beta_1=0.9")
    with pytest.raises(ValueError, match="has the sections objective, encoder, .*Received: section='optimiser'"):
        recipe.override("optimiser.learning_rate=3")
    with pytest.raises(ValueError, match="Closest: .*Adam.*Received: optimizer.name='Adamm'"):
        recipe.override("optimizer.name=Adamm")
    with pytest.raises(ValueError, match="a `name`. Received: schedule.name=None"):
        Recipe({**TINY, "schedule": {"warmup_epochs": 1}})
    with pytest.raises(ValueError, match="must have the sections objective, encoder, optimizer"):
        Recipe({"objective": TINY["objective"]})
    with pytest.raises(ValueError, match="must be a table. Received: views=3"):
        Recipe({**TINY, "views": 3})


def test_values_that_do_not_fit_are_errors_of_their_section(recipe):
    for setting, section in (
        ("encoder.widths=[-4]", "encoder"),
        ("encoder.widths=wide", "encoder"),
        ("objective.temperature=0", "objective"),
        ("views.strength=-1", "views"),
    ):
        with pytest.raises(ValueError, match=f"In section .{section}. of the recipe: .*"):
            recipe.override(setting).build_model()
    with pytest.raises(ValueError, match="In section .optimizer. of the recipe: `eta` must be greater than 0"):
        recipe.override("optimizer.eta=0").build_optimizer(3)
    with pytest.raises(ValueError, match="In section .data. of the recipe: .*batch_size"):
        recipe.override("data.count=7").build_data()
    with pytest.raises(ValueError, match="In section .data. of the recipe: .*`size`"):
        recipe.override("data.size=99").build_data()


def test_data_is_looked_at_when_it_is_read(recipe):
    moved = recipe.override("data.name=/no/such/folder", "data.colour=3")
    with pytest.raises(ValueError, match="must be a name.*Received: data='/no/such/folder'"):
        moved.build_data()
    with pytest.raises(ValueError, match="coloured_digits has no setting 'colour'"):
        recipe.override("data.colour=3").build_data()
    without = Recipe({key: table for key, table in TINY.items() if key != "data"})
    with pytest.raises(ValueError, match="needs data"):
        without.build_data()
    assert without.override("data.name=coloured_digits", "data.count=9").build_data()[1] is not None


def test_a_folder_takes_the_size_of_the_views(recipe, tmp_path):
    from PIL import Image

    for number in range(8):
        Image.fromarray(np.full((20, 20, 3), number, "uint8")).save(tmp_path / f"{number}.png")
    batches, labelled = recipe.override(f"data.name={tmp_path}").build_data()
    assert batches[0]["x"].shape == (8, 16, 16, 3) and labelled is None
    assert recipe.override(f"data.name={tmp_path}", "data.size=8").build_data()[0][0]["x"].shape[1] == 8


def test_unknown_recipes_come_with_the_closest(tmp_path):
    with pytest.raises(ValueError, match="Closest: simclr_digits.*Received: recipe='simclr_digit'"):
        Recipe.read("simclr_digit")
    (tmp_path / "bad.toml").write_text(
        "[objective]\nname = 'SimCLR'\ntau = 1\n[encoder]\nname = 'ConvNet'\n[optimizer]\nname = 'Adam'"
    )
    with pytest.raises(ValueError, match="no setting 'tau'.*bad.toml"):
        Recipe.read(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_text("[objective")
    with pytest.raises(ValueError, match="cannot be read.*bad.toml"):
        Recipe.read(tmp_path / "bad.toml")
