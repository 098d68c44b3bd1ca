import json
import shutil

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import alpha_req, lidar, rank_checkpoints, rankme, view_features

FEW = {"samples": 60, "lidar_samples": 30, "lidar_views": 3}
QUICK = {"samples": 60, "lidar_samples": 0}


def recipe(**data):
    return keras_ssl.Recipe(
        {
            "objective": {"name": "SimCLR", "projector": [8, 4]},
            "encoder": {"name": "ConvNet", "widths": [4, 8]},
            "views": {"name": "pipeline", "ops": [{"name": "RandomFlip"}]},
            "optimizer": {"name": "Adam", "learning_rate": 1e-3},
            "training": {"batch_size": 32, "epochs": 1},
            "data": {"name": "colored_digits", "size": 16, "count": 90, **data},
        }
    )


def write_run(folder, model, loss=None, own=None):
    """What scripts/pretrain.py leaves."""
    folder.mkdir()
    (own or recipe()).write(folder / "recipe.toml")
    model.save_weights(folder / "model.weights.h5")
    if loss is not None:
        (folder / "results.json").write_text(json.dumps({"loss": loss, "seconds": 1.0}))
    return folder


def with_rank(count):
    """The recipe's model with features of which `count` are alive: the others have no weights left."""
    model = recipe().build_model()
    for weight in model.encoder.weights:
        if weight.path.endswith("block2_bn/gamma") or weight.path.endswith("block2_bn/beta"):
            weight.assign(
                keras.ops.convert_to_tensor(
                    (np.arange(8) < count).astype("float32") * (2 if "beta" in weight.path else 1)
                )
            )
    return model


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs, whose features have 8, 4 and 1 dimensions, and an export of the second."""
    folder = tmp_path_factory.mktemp("sweep")
    write_run(folder / "a", with_rank(4), loss=3.0)
    write_run(folder / "b", with_rank(1), loss=1.0)
    write_run(folder / "c", with_rank(8))
    keras_ssl.export(with_rank(4), folder / "d", recipe=recipe(), results={"loss": 2.5})
    return folder


def names(rows):
    return [row.path.parent.name if row.path.is_file() else row.path.name for row in rows]


@pytest.mark.slow
def test_orders_runs_and_entries_and_measures_what_the_functions_do(runs):
    rows = rank_checkpoints(runs, **FEW)
    assert names(rows) == ["c", "a", "d", "b"]
    assert [row.loss for row in rows] == [None, 3.0, 2.5, 1.0] and {row.dimension for row in rows} == {8}
    batches, _ = recipe().build_data()
    images = np.concatenate([batches[0]["x"], batches[1]["x"]])[:60]
    for row, count in zip(rows, (8, 4, 4, 1), strict=True):
        model = with_rank(count)
        features = model.predict(images, verbose=0)
        assert row.rankme == pytest.approx(rankme(features), rel=1e-3)
        assert row.alpha_req == pytest.approx(alpha_req(features), rel=1e-2)
    assert rows[0].lidar == pytest.approx(lidar(*view_features(with_rank(8), images[:30], 3)), rel=1e-2)
    assert rows[-1].rankme == pytest.approx(1, abs=1e-3) and 1 < rows[1].rankme < rows[0].rankme
    by_lidar = rank_checkpoints([runs / "b", runs / "c"], **FEW, by="lidar")
    assert names(by_lidar) == ["c", "b"] and by_lidar[0].lidar == pytest.approx(rows[0].lidar)


@pytest.mark.slow
def test_one_run_a_list_of_runs_and_images_of_the_users(runs):
    (row,) = rank_checkpoints(runs / "a", **QUICK)
    assert row.path == runs / "a" / "model.weights.h5" and row.lidar is None
    images = keras_ssl.data.colored_digits("test", count=40, size=16)[0]
    rows = rank_checkpoints([str(runs / "b"), runs / "a"], images, **QUICK)
    assert names(rows) == ["a", "b"]
    assert rows[0].rankme == pytest.approx(rankme(with_rank(4).predict(images, verbose=0)), rel=1e-3)


def test_every_checkpoint_of_a_run_is_a_row(runs, tmp_path):
    run = write_run(tmp_path / "run", with_rank(2), loss=1.0)
    with_rank(8).save_weights(run / "epoch_5.weights.h5")
    rows = rank_checkpoints(run, **QUICK)
    assert [(row.path.name, row.loss) for row in rows] == [("epoch_5.weights.h5", None), ("model.weights.h5", 1.0)]


def nan_weights(model):
    model.encoder.set_weights([np.full_like(weight, np.nan) for weight in model.encoder.get_weights()])
    return model


def broken(name, folder):
    """A run that cannot be measured, and what is said of it."""
    if name == "unfinished":
        folder.mkdir()
        recipe().write(folder / "recipe.toml")
        return "has not finished"
    if name == "empty":
        folder.mkdir()
        return "A run has a recipe.toml or a card.toml"
    if name == "other data":
        write_run(folder, with_rank(8), own=recipe(seed=3))
        return "trained on other data"
    if name == "diverged":
        write_run(folder, nan_weights(with_rank(8)))
        return "Its weights hold NaN or infinity"
    write_run(folder, with_rank(8))
    if name == "truncated":
        weights = folder / "model.weights.h5"
        weights.write_bytes(weights.read_bytes()[:2000])
        return "The weights cannot be read"
    if name == "another network":
        recipe().override("encoder.widths=[4, 9]").write(folder / "recipe.toml")
        return "The weights cannot be read"
    if name == "results":
        (folder / "results.json").write_text('{"loss": ')
        return "A JSON file cannot be read"
    (folder / "recipe.toml").write_text("[objective]\nname = ")
    return "recipe.toml"


@pytest.mark.parametrize(
    "name",
    ["unfinished", "empty", "other data", "diverged", "truncated", "another network", "results", "recipe"],
)
def test_broken_runs_are_named_and_left_out_or_an_error(name, runs, tmp_path):
    shutil.copytree(runs / "a", tmp_path / "a")
    shutil.copytree(runs / "b", tmp_path / "b")
    reason = broken(name, tmp_path / "x")
    with pytest.warns(UserWarning, match=f"Left out: {tmp_path / 'x'}.*{reason}"):
        rows = rank_checkpoints(tmp_path, **QUICK)
    assert names(rows) == ["a", "b"]
    with pytest.raises(ValueError, match=f"{reason}.*in '{tmp_path / 'x'}"):
        rank_checkpoints(tmp_path, **QUICK, strict=True)


def test_nothing_to_rank(tmp_path):
    with pytest.raises(ValueError, match="No checkpoint can be measured. Received: logdir=.*no run"):
        rank_checkpoints(tmp_path)
    with pytest.raises(ValueError, match="must be a folder. Received: logdir='nowhere'"):
        rank_checkpoints("nowhere")
    (tmp_path / "x").mkdir()
    with pytest.warns(UserWarning, match="Left out"), pytest.raises(ValueError, match="recipe.toml or a card.toml"):
        rank_checkpoints(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": "loss"}, "rankme, lidar. Received: by='loss'"),
        ({"samples": 1}, "Received: samples=1"),
        ({"lidar_samples": -1}, "Received: lidar_samples=-1"),
        ({"lidar_views": 1}, "Received: lidar_views=1"),
        ({"by": "lidar", "lidar_samples": 0}, "Received: by='lidar', lidar_samples=0"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"images": np.zeros((3,))}, r"Received: images.shape=\(3,\)"),
    ],
)
def test_bad_arguments(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        rank_checkpoints(tmp_path, **change)
