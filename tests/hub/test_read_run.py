import json

import numpy as np
import pytest

import keras_ssl
from keras_ssl.hub import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    recipe = keras_ssl.Recipe.read("simclr_digits").override("encoder.widths=[4, 8]", "objective.projector=[8, 4]")
    recipe.write(folder / "recipe.toml")
    model = recipe.override("training.seed=9").build_model()
    model.save_weights(folder / "model.weights.h5")
    (folder / "results.json").write_text(json.dumps({"loss": 2.5}))
    return folder, recipe, model


def test_reads_what_a_run_left(run):
    folder, recipe, trained = run
    found, model, results = read_run(folder)
    assert found == recipe and results == {"loss": 2.5}
    for weight, expected in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_results_may_be_missing_but_not_broken(run, tmp_path):
    folder, recipe, trained = run
    recipe.write(tmp_path / "recipe.toml")
    trained.save_weights(tmp_path / "model.weights.h5")
    assert read_run(tmp_path).results == {}
    for text, message in (("{", "A JSON file cannot be read"), ("[1]", "with list")):
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_run(str(tmp_path))


@pytest.mark.parametrize("name", ["recipe.toml", "model.weights.h5", "other.weights.h5"])
def test_missing_files_are_named(name, run, tmp_path):
    for path in run[0].iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = name if name.endswith("h5") else "model.weights.h5"
    with pytest.raises(ValueError, match=f"has a {name}, which is missing. Received: logdir="):
        read_run(tmp_path, weights)


def test_weights_of_another_model_are_refused(run, tmp_path):
    recipe = run[1].override("encoder.widths=[4, 9]")
    recipe.write(tmp_path / "recipe.toml")
    (tmp_path / "model.weights.h5").write_bytes((run[0] / "model.weights.h5").read_bytes())
    with pytest.raises(ValueError, match="The weights cannot be read"):
        read_run(tmp_path)
    (tmp_path / "model.weights.h5").write_bytes(b"half")
    with pytest.raises(ValueError, match="The weights cannot be read"):
        read_run(tmp_path)
