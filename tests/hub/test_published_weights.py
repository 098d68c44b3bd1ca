"""For each family of published weights, a small model as its files hold it: a change that breaks them fails here."""

from functools import cache

import keras
import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError
from keras_ssl.encoders import ResNet, ViT
from keras_ssl.hub import load_checkpoint
from keras_ssl.objectives import BarlowTwins, VICReg
from tests.checkpoints import make_torch_files
from tests.checkpoints.published import (
    RESNETS,
    VITS,
    head,
    numbered,
    prefixed,
    projector,
    resnet,
    resnet_features,
    vit,
    vit_features,
    write,
)
from tests.checkpoints.simclr_files import save
from tests.encoders.parity_dino import CASES, GOLDEN, SIZES, draw, images
from tests.encoders.test_vit import features

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where one family is checked"
)
_OTHERS = [name for name in VITS if name != "dinov2, training"]
EVERY_VIT = ["dinov2, training", *(pytest.param(name, marks=tensorflow_only) for name in _OTHERS)]


@cache
def encoder_of(**arguments):
    return ViT(**arguments) if arguments else ResNet(18, width=make_torch_files.WIDTH)


def reset(encoder):
    for weight in encoder.weights:
        weight.assign(np.zeros(weight.shape))


@pytest.mark.parametrize("case", CASES)
def test_numpys_features_are_those_of_the_authors_code(case):
    """What the next test compares with."""
    arguments = CASES[case][1]
    gated = "mlp" in arguments
    weights = vit("layer_scale" in arguments, gated, arguments.get("registers", 0))
    how = (0.0, True) if gated else (0.1, False)
    for size in SIZES:
        expected = np.load(GOLDEN)[f"{case}_{size[0]}x{size[1]}"]
        np.testing.assert_allclose(vit_features(weights, images(size), 3, *how), expected, atol=2e-5)


@pytest.mark.parametrize("family", EVERY_VIT)
def test_features_of_a_vit_are_the_published_ones(tmp_path, family):
    kind, layout, arguments = VITS[family]
    weights = vit(**kind)
    write(tmp_path / "weights.pth", layout(weights))
    encoder = encoder_of(**arguments)
    reset(encoder)
    load_checkpoint(encoder, tmp_path / "weights.pth")
    how = (arguments.get("interpolate_offset", 0.1), arguments.get("interpolate_antialias", False))
    for size in SIZES[:2]:  # the positions' own, and another
        expected = vit_features(weights, images(size), arguments["heads"], *how)
        np.testing.assert_allclose(features(encoder, images(size)), expected, atol=2e-5)


@pytest.mark.parametrize("family", RESNETS)
def test_features_of_a_resnet_are_the_published_ones(tmp_path, family):
    weights, expected = resnet()
    write(tmp_path / "weights.pth", RESNETS[family](weights))
    encoder = encoder_of()
    reset(encoder)
    load_checkpoint(encoder, tmp_path / "weights.pth")
    x = make_torch_files.images()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(encoder(x, training=False)), expected, atol=1e-5)


def test_features_of_a_resnet_at_another_size(tmp_path):
    weights, expected = resnet()
    x = make_torch_files.images()
    np.testing.assert_allclose(resnet_features(weights, x), expected, atol=1e-5)
    write(tmp_path / "weights.pth", RESNETS["barlow twins"](weights))
    load_checkpoint(encoder_of(), tmp_path / "weights.pth")
    actual = keras.ops.convert_to_numpy(encoder_of()(x[:, :20, :33], training=False))
    np.testing.assert_allclose(actual, resnet_features(weights, x[:, :20, :33]), atol=1e-5)


@pytest.mark.slow
def test_features_of_mixed_barlow_twins_for_small_images(tmp_path):
    """Its networks for CIFAR have no pooling, whose number the stages then take."""
    weights = resnet()[0] | {"conv1.weight": draw("conv1.weight", (2, 3, 3, 3))}
    file = prefixed("f.", numbered(weights, pooled=False)) | head("g", "0.weight", "1.bias", "3.weight")
    write(tmp_path / "weights.pth", file)
    encoder = ResNet(18, width=make_torch_files.WIDTH, stem="cifar")
    load_checkpoint(encoder, tmp_path / "weights.pth")
    for size in ((32, 32), (20, 33)):
        x = images(size)
        actual = keras.ops.convert_to_numpy(encoder(x, training=False))
        np.testing.assert_allclose(actual, resnet_features(weights, x, stem="cifar"), atol=1e-4)
    with pytest.raises(CheckpointError, match=r"missing: layer4\.0.*extra: f\.3\.0"):
        load_checkpoint(ResNet(18, width=make_torch_files.WIDTH, stem="cifar_pool"), tmp_path / "weights.pth")


def projections(weights, x, layers):
    for place in range(0, 3 * layers, 3):
        x = x @ weights[f"{place}.weight"].T + weights.get(f"{place}.bias", 0.0)
        if place < 3 * (layers - 1):
            norm = {key: weights[f"{place + 1}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")}
            x = (x - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5) * norm["weight"] + norm["bias"]
            x = np.maximum(x, 0.0)
    return x


@pytest.mark.parametrize("objective, bias", [(BarlowTwins, False), (VICReg, True)])
def test_projections_are_the_published_ones(tmp_path, objective, bias):
    prefix = "module.projector."
    weights, _ = resnet()
    projector_weights = projector(12, 10, 6, bias=bias)
    held = {f"module.backbone.{key}": array for key, array in weights.items()}
    held |= {f"{prefix}{key}": array for key, array in projector_weights.items()} | {
        f"{prefix}1.num_batches_tracked": np.array(3)
    }
    write(tmp_path / "weights.pth", {"epoch": 9, "model": held})
    model = objective(ResNet(18, width=make_torch_files.WIDTH), projector=(12, 10, 6))
    load_checkpoint(model, tmp_path / "weights.pth")
    x = np.random.default_rng(0).normal(size=(5, 16)).astype("float32")
    actual = keras.ops.convert_to_numpy(model.projector(x, training=False))
    np.testing.assert_allclose(actual, projections(projector_weights, x, 3), rtol=1e-4, atol=1e-5)
    encoder = encoder_of()
    load_checkpoint(encoder, tmp_path / "weights.pth")  # without an objective, the projector is left out
    for expected, loaded in zip(encoder.get_weights(), model.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(loaded, expected)

    write(tmp_path / "weights.pth", {"model": held | {f"{prefix}9.weight": np.ones((2, 2), "float32")}})
    with pytest.raises(CheckpointError, match=r"encoder; extra: projector\.9\.weight"):
        load_checkpoint(model, tmp_path / "weights.pth")
    write(tmp_path / "weights.pth", {"model": {key: array for key, array in held.items() if "3.weight" not in key}})
    with pytest.raises(CheckpointError, match=r"encoder; missing: projector\.3\.weight"):
        load_checkpoint(model, tmp_path / "weights.pth")


def changed(tree, suffix, change):
    """Applies a change to the dict of the file that holds the encoder, at its key with the suffix."""
    held = next((tree[key] for key in ("state_dict", "model", "teacher", "target_encoder") if key in tree), tree)
    change(held, next(key for key in held if key.endswith(suffix)))
    return tree


def without(held, key):
    del held[key]


def renamed(held, key):
    held[f"{key}s"] = held[key]


def narrower(held, key):
    held[key] = held[key][..., :-1]


@pytest.mark.parametrize("change, problem", [(without, "missing"), (renamed, "extra"), (narrower, "of another shape")])
@pytest.mark.parametrize("family", [*VITS, *(f"resnet {name}" for name in RESNETS)])
def test_every_key_of_every_family_is_accounted_for(tmp_path, family, change, problem):
    if family in VITS:
        kind, layout, arguments = VITS[family]
        tree, encoder = layout(vit(**kind)), encoder_of(**arguments)
        suffix = "1.attn.qkv.weight"
    else:
        tree, encoder = RESNETS[family.removeprefix("resnet ")](resnet()[0]), encoder_of()
        suffix = "1.conv2.weight"
    write(tmp_path / "weights.pth", changed(tree, suffix, change))
    before = encoder.get_weights()
    key = rf"(blocks|layers?|(f\.)?4)[\d.]*{suffix.replace('.', '[.]')}"
    pattern = rf"encoder; {problem}: {key}.*Received: source=.*weights.pth"
    with pytest.raises(CheckpointError, match=pattern):
        load_checkpoint(encoder, tmp_path / "weights.pth")
    for old, new in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "given, arguments, message",
    [
        ({}, {"image_size": 16}, r"of another shape: pos_embed \(1, 65, 24\) for tokens/position \(17, 24\)"),
        ({}, {"depth": 2}, r"extra: blocks\.2\.norm1\.weight"),
        ({}, {"depth": 4}, r"missing: blocks\.3\.norm1\.weight"),
        ({}, {"layer_scale": 1.0}, r"missing: blocks\.0\.ls1\.gamma"),
        ({"registers": 4}, {}, "extra: register_tokens"),
        ({"gated": True}, {}, r"missing: blocks\.0\.mlp\.fc1\.weight.*extra: blocks\.0\.mlp\.w12\.weight"),
        ({}, {"mlp": "swiglu"}, r"of another shape: blocks\.0\.mlp\.fc1\.weight \(96, 24\)"),
    ],
)
def test_an_encoder_made_otherwise_is_refused(tmp_path, given, arguments, message):
    write(tmp_path / "weights.pth", vit(**given))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(ViT(**CASES["dino"][1] | arguments), tmp_path / "weights.pth")


@tensorflow_only
def test_of_tensorflow_s_files_no_vision_transformer_is_known(tmp_path):
    save(tmp_path / "saved", {"resnet/conv2d/kernel": np.ones(1, "float32")})
    with pytest.raises(ValueError, match="SimCLR's ResNets can be read and no others. Received: model=ViT"):
        load_checkpoint(ViT(**CASES["dino"][1]), tmp_path / "saved")
