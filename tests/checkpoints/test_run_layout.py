"""The names of training runs: every weight of an objective has one, and a file under them comes back."""

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import keras_ssl
from keras_ssl.checkpoints import CheckpointError, RunLayout
from keras_ssl.checkpoints.run_layout import _flat
from keras_ssl.hub import head_weights, load_checkpoint, named_weights
from tests.checkpoints.published_run import published_run

KINDS = {
    "MAE": {"decoder_width": 8, "decoder_depth": 2, "decoder_heads": 2},
    "IJEPA": {"predictor_width": 8, "predictor_depth": 1, "predictor_heads": 2},
    "DINO": {"projector": (10, 6), "out_dim": 9},
    "IBOT": {"projector": (10, 6), "out_dim": 9},
}


def objective(name):
    vit = keras_ssl.encoders.ViT("Ti", 4, width=16, depth=2, heads=2, image_size=16)
    return getattr(keras_ssl, name)(vit, **KINDS[name])


def write(path, tree):
    save_file(
        {f"{root}.{key}": np.ascontiguousarray(a) for root, part in tree.items() for key, a in part.items()}, path
    )


@pytest.mark.parametrize("name", KINDS)
def test_every_weight_of_a_run_arrives(tmp_path, name):
    model = objective(name)
    tree, arrays = published_run(model)
    write(tmp_path / "run.safetensors", tree)
    load_checkpoint(model, tmp_path / "run.safetensors")
    for key, variable in {**named_weights(model.encoder), **head_weights(model)}.items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), arrays[key])


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_key_is_named_and_changes_nothing(tmp_path, name):
    model = objective(name)
    before = [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]
    tree, _ = published_run(model)
    root = sorted(tree)[0]
    gone = sorted(tree[root])[-1]
    del tree[root][gone]
    write(tmp_path / "run.safetensors", tree)
    with pytest.raises(CheckpointError, match=f"missing.*{gone.removeprefix('module.')}"):
        load_checkpoint(model, tmp_path / "run.safetensors")
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)


def test_names_are_joined_and_parallel_training_leaves_no_trace():
    tree = {"module.a": np.ones(1), "b": {"module.c.module.d": np.ones(1), "e": 3}, "modulex": np.ones(1)}
    assert [name for name, _ in _flat(tree)] == ["a", "b.c.d", "modulex"]


def test_lengths_other_than_1_and_two_heads_are_refused():
    layout = keras_ssl.IBOT.run_layout
    with pytest.raises(CheckpointError, match="weight_g must be 1.*between 2 and 2"):
        layout.arrays({"student": {"module.head.last_layer.weight_g": np.full((3, 1), 2.0, "float32")}})
    heads = {"last_layer.weight_v": np.ones((3, 2), "float32"), "last_layer2.weight_v": np.zeros((3, 2), "float32")}
    with pytest.raises(CheckpointError, match="one head where the file has two"):
        layout.arrays({"student": {f"module.head.{key}": value for key, value in heads.items()}})


def test_a_weight_that_the_layout_does_not_name_is_refused():
    with pytest.raises(ValueError, match="Received: mask_token, decoder_norm/gamma"):
        RunLayout("model").table({}, {"mask_token": None, "decoder_norm/gamma": None}, "")
    with pytest.raises(ValueError, match="Received: shape=\\(2, 3\\)"):
        RunLayout("model", {"token": "model.token"}).table({}, {"token": None}, "").weights["model.token"].transform(
            np.ones((2, 3))
        )
