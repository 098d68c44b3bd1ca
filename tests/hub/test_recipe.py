from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.data.crop_plan import CropPlan
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
    "data": {"name": "colored_digits", "count": 20},
}


@pytest.fixture
def recipe():
    return Recipe(TINY)


@pytest.mark.parametrize("name", hub.list_recipes())
def test_the_library_s_recipes_are_valid(name):
    recipe = Recipe.read(name).override("optimizer.layer_decay=none")  # which counts a model's blocks
    assert recipe.build_optimizer(10).get_config()["learning_rate"]["class_name"] == "WarmupCosine"


def test_every_objective_has_a_recipe():
    read = {name: Recipe.read(name).sections["objective"]["name"] for name in hub.list_recipes()}
    images = {objective for name, objective in read.items() if name.endswith("_digits")}
    assert images == set(keras_ssl.list_methods(modality="image")) & set(keras_ssl.objectives.__all__)
    assert set(read.values()) == set(keras_ssl.objectives.__all__)


def test_a_recipe_extends_another():
    recipe = Recipe.read("mae_digits").sections
    assert recipe["encoder"]["name"] == "ViT" and "widths" not in recipe["encoder"]  # another thing: nothing is kept
    assert recipe["schedule"] == {"name": "WarmupCosine", "warmup_epochs": 2}
    assert Recipe.read("similarity_distillation_digits").sections["encoder"]["name"] == "ConvNet"


@pytest.mark.parametrize("name", ["simclr", "barlow_twins", "byol", "moco", "le_jepa"])
def test_the_best_known_methods_have_recipes_at_224_pixels(name):
    """Their crops come from the files, and the peak of the rate is that of the paper, for its batch."""
    recipe = Recipe.read(f"{name}_imagenet")
    plan = CropPlan(recipe.build("views"), size=1)
    assert plan.sizes == [(224, 224)] * 2 + [(96, 96)] * (6 if name == "le_jepa" else 0)
    sections = recipe.sections
    assert sections["data"]["crops"] == "full" and sections["encoder"] == {"name": "ResNet", "depth": 50}
    peaks = {"simclr": 0.3, "barlow_twins": 0.2, "byol": 0.2, "moco": 0.03, "le_jepa": 0.00025}  # for 256 images
    assert sections["optimizer"]["learning_rate"] == pytest.approx(
        peaks[name] * sections["training"]["batch_size"] / 256
    )
    steps = 10
    rate = recipe.build_optimizer(steps)._learning_rate
    last = float(rate(sections["training"]["epochs"] * steps))
    final = sections["optimizer"]["learning_rate"] / 1000 if name in ("barlow_twins", "le_jepa") else 0.0
    assert last == pytest.approx(final, abs=1e-9)


def test_an_unknown_base_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "numbers"')
    bases = ", ".join(sorted(path.stem for path in Path("zoo/recipes/_base").glob("*.toml")))
    with pytest.raises(ValueError, match=f"`extends` must be one of {bases}. Received: extends='numbers'"):
        Recipe.read(tmp_path / "mine.toml")


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in hub.list_recipes() if "digits" in name])
def test_recipes_of_the_digits_make_views_and_an_objective(name):
    recipe = Recipe.read(name)
    count = 64 if "labels" in recipe.sections["data"] else 16  # a label of each class
    recipe = recipe.override(f"data.count={count}", "training.batch_size=8")
    if recipe.sections["encoder"]["name"] == "ConvNet":
        recipe = recipe.override("encoder.widths=[4]")
    if "labels" in recipe.sections["data"]:
        recipe = recipe.override("data.labels=10")
    batches, images = recipe.build_data()
    assert images.x.shape == (count, 16, 16, 3) and len(batches) >= 2
    model = recipe.build_model()
    if not model.views.is_random:  # an objective that takes the images as they are
        return
    views = model.views(batches[0]["x"], Stream(0, 0, np.arange(8)))
    assert len(views) >= model.view_count and {tuple(view.shape) for view in views[:2]} == {(8, 16, 16, 3)}
    first, *others = (keras.ops.convert_to_numpy(view) for view in views[:2])
    assert not any(np.array_equal(first, other) for other in others)


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
    with pytest.raises(
        ValueError, match="In section .optimizer. of the recipe: `eta` must be a finite number greater than 0. Received"
    ):
        recipe.override("optimizer.eta=0").build_optimizer(3)
    with pytest.raises(ValueError, match="In section .data. of the recipe: .*batch_size"):
        recipe.override("data.count=7").build_data()
    with pytest.raises(ValueError, match="In section .data. of the recipe: .*`size`"):
        recipe.override("data.size=99").build_data()


def test_data_is_looked_at_when_it_is_read(recipe):
    moved = recipe.override("data.name=/no/such/folder", "data.color=3")
    with pytest.raises(ValueError, match="must be a name.*Received: data='/no/such/folder'"):
        moved.build_data()
    with pytest.raises(ValueError, match="colored_digits has no setting 'color'"):
        recipe.override("data.color=3").build_data()
    without = Recipe({key: table for key, table in TINY.items() if key != "data"})
    with pytest.raises(ValueError, match="needs data"):
        without.build_data()
    assert without.override("data.name=colored_digits", "data.count=9").build_data()[1] is not None


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


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "/nothing/x.toml", "./nothing", "x" * 300 + ".toml"])
def test_a_recipe_that_does_not_exist_is_said_not_to(name):
    with pytest.raises(ValueError, match="No recipe has this name|There is no such file") as caught:
        Recipe.read(name)
    assert "There is no such file" in str(caught.value) or "/" not in name and not name.endswith(".toml")


@pytest.mark.parametrize(
    "setting",
    [
        "views.ops=" + "[" * 20_000,
        "views.ops=" + "[" * 20_000 + "]" * 20_000,
        "views.ops=" + "{a=" * 20_000,
        "training.epochs=" + "9" * 5000,
        "training.epochs=0x" + "f" * 5000,
        "training.epochs=9223372036854775808",
        "training.epochs=1e999",
        "training.epochs=[1, 2]",
        "training.epochs={a.b.c=1}",
        "x" * 5000,
    ],
    ids=range(10),
)
def test_a_setting_at_the_limits_of_the_parser_is_named(setting):
    with pytest.raises(ValueError, match="Received: ") as caught:
        Recipe.read("simclr_digits").override(setting)
    assert setting.partition("=")[0][:100] in str(caught.value) and len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "section, value",
    [
        ("encoder", "encoder.widths={a=1}"),
        ("encoder", "encoder.widths=[[1]]"),
        ("encoder", "encoder.widths=[inf]"),
        ("encoder", "encoder.input_shape=3"),
        ("encoder", "encoder.input_shape=[]"),
        ("objective", "objective.projector={}"),
        ("objective", "objective.projector=[[]]"),
        ("objective", "objective.temperature=[1]"),
    ],
)
def test_values_of_another_type_name_the_section(section, value):
    recipe = Recipe.read("simclr_digits").override(value)
    with pytest.raises(ValueError, match=rf"In section \[{section}\]"):
        recipe.build_model()


def test_a_recipe_file_at_the_limits_of_the_parser_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nepochs = " + "[" * 20_000)
    with pytest.raises(ValueError, match="Received: path='.*mine.toml"):
        Recipe.read(path)


def test_a_recipe_of_a_table_takes_its_columns_from_the_data():
    recipe = Recipe.read("tabular_jepa_breast_cancer").override("encoder.width=8", "encoder.depth=1")
    batches, table = recipe.build_data()
    model = recipe.build_model()
    assert list(model.encoder.columns) == list(table.x) and len(table.x) == 30
    held = model.encoder.columns["mean radius"]
    assert held == pytest.approx({"mean": table.x["mean radius"].mean(), "std": table.x["mean radius"].std()}, rel=1e-5)
    assert len(table.y) == 456 and len(table.y_test) == 113 and len(table.x_test["mean radius"]) == 113
    assert model.predict(batches, verbose=0).shape == (456, 8)
    given = recipe.override("encoder.columns={age={mean=1.0, std=2.0}, size={categories=3}}")
    assert list(given.build_model().encoder.columns) == ["age", "size"]
    with pytest.raises(ValueError, match="Closest: wine.*Received: data='sklearn:wines'"):
        recipe.override("data.name='sklearn:wines'").build_data()
