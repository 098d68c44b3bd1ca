"""Entries of the catalogue with their published names, served from this machine: small, and with drawn weights.

A card is the published one but for the size of its network and the address of its files.
"""

from dataclasses import replace
from urllib.parse import urlsplit

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.hub import Card, catalogue
from keras_ssl.hub.export import export
from tests.checkpoints import make_torch_files, simclr_files
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
from tests.checkpoints.published_run import published_run
from tests.encoders.parity_dino import draw

ZOO = catalogue.data_folder("zoo")
SMALL_RESNET = {"depth": 18, "width": make_torch_files.WIDTH}
SMALL_VIT = {"width": 24, "depth": 3, "patch_size": 4, "image_size": 32}
LAYOUTS = {  # how the file of an entry holds the weights
    "barlow_resnet50": RESNETS["barlow twins"],
    "vicreg_resnet50x2": RESNETS["barlow twins"],
    "dino_resnet50": RESNETS["dino"],
    "mocov3_resnet50": RESNETS["moco v3"],
    "swav_resnet50": RESNETS["swav"],
    "mixed_barlow_resnet50_imagenet": RESNETS["barlow twins"],
    "mixed_barlow_resnet18_cifar10": lambda w: prefixed("f.", numbered(w, pooled=False)) | head("g", "0.weight"),
    "mixed_barlow_resnet18_stl10": lambda w: prefixed("f.", numbered(w)) | head("g", "1.running_mean", "3.bias"),
    "dino_vits16": VITS["dino"][1],
    "dinov2_vits14": VITS["dinov2"][1],
    "dinov2_vits14_reg4": VITS["dinov2"][1],
    "dinov2_vitg14_reg4": VITS["dinov2"][1],
    "mae_vitb16": lambda w: {"model": w},
    "mocov3_vits16": VITS["moco v3"][1],
    "ijepa_vith14": VITS["i-jepa"][1],
}
RUNS = {
    "dino_vitb16": {"projector": [12, 6], "out_dim": 9},
    "ijepa_vith14": {"predictor_width": 8, "predictor_depth": 1, "predictor_heads": 2},
}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where two families are checked"
)
ON_BOTH = ("barlow_resnet50", "dinov2_vits14_reg4")
NAMES = [name if name in ON_BOTH else pytest.param(name, marks=on_tensorflow) for name in LAYOUTS]


def small(name, house, server, trees):
    """Serves the trees as the files of the entry `name`, whose network is made small; the card."""
    card = Card.read(ZOO / f"{name}.toml")
    arguments = {**card.architecture["arguments"], **(SMALL_VIT if "_vit" in name else SMALL_RESNET)}
    if "_vit" in name:
        arguments["heads"] = 6 if "heads" in arguments else 3
    files = []
    for file in card.files:
        path = urlsplit(file.url).path
        known = {"size": None, "sha256": "first-use", "sha256_prefix": None, "md5": None}
        files.append(replace(file, url=server.address + path, **known))
        if file.name in trees:
            write(house / "made", trees[file.name])
            server.files[path] = (house / "made").read_bytes()
    card = replace(card, architecture={"name": card.architecture["name"], "arguments": arguments}, files=tuple(files))
    card.write(house / "zoo" / f"{name}.toml")
    return card


def expected(name, card, weights, pixels):
    x = ((pixels / 255 - card.preprocessing["mean"]) / card.preprocessing["std"]).astype("float32")
    arguments = card.architecture["arguments"]
    if "_vit" not in name:
        return resnet_features(weights, x, arguments.get("stem", "imagenet"))
    how = (arguments.get("interpolate_offset", 0.1), arguments.get("interpolate_antialias", False))
    return vit_features(weights, x, arguments["heads"], *how)


def drawn(name):
    if "_vit" in name:
        registers = 4 if "reg4" in name else 0
        return vit(name.startswith("dinov2"), "vitg" in name, registers, class_token=name != "ijepa_vith14")
    weights = resnet()[0]
    stem = "mixed" in name and "imagenet" not in name
    return weights | {"conv1.weight": draw("conv1.weight", (2, 3, 3, 3))} if stem else weights


def pixels(*size):
    return np.random.default_rng(5).integers(0, 256, (2, *size, 3)).astype("uint8")


def run(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@pytest.mark.parametrize("name", NAMES)
def test_features_are_the_published_ones_at_its_size_and_another(house, server, name):
    weights = drawn(name)
    first = Card.read(ZOO / f"{name}.toml").files[0].name
    card = small(name, house, server, {first: LAYOUTS[name](weights)})
    accept = card.license if "NC" in card.license else None
    model = hub.load(name, accept_license=accept, progress=False)
    assert server.paths == [urlsplit(card.files[0].url).path]
    for size in ((32, 32), (24, 36)):
        np.testing.assert_allclose(run(model, pixels(*size)), expected(name, card, weights, pixels(*size)), atol=1e-4)


@pytest.mark.slow
@on_tensorflow
def test_simclr_s_several_files_come_together(house, server, tmp_path):
    named = simclr_files.variables(1)
    simclr_files.save(tmp_path / "saved", named)
    card = small("simclr_resnet50", house, server, {})
    arguments = {**card.architecture["arguments"], "depth": 50, "width": 1 / 64}
    card = replace(card, architecture={"name": "ResNet", "arguments": arguments})
    card.write(house / "zoo" / "simclr_resnet50.toml")
    for file in card.files:
        server.files[urlsplit(file.url).path] = (tmp_path / "saved" / file.name).read_bytes()
    model = hub.load("simclr_resnet50", progress=False)
    assert len(server.paths) == 2 and all("/simclrv1/pretrain/1x/saved_model/variables/" in p for p in server.paths)
    for size in ((32, 32), (20, 33)):
        unit = (pixels(*size) / 255).astype("float32")  # no mean, no standard deviation
        reference = simclr_files.simclr_features(named, 1, unit)
        np.testing.assert_allclose(run(model, pixels(*size)), reference, rtol=1e-4, atol=1e-4)


@on_tensorflow
@pytest.mark.parametrize("name, bias", [("barlow_resnet50", False), ("vicreg_resnet50", True)])
def test_the_full_checkpoint_gives_the_objective_with_its_projector(house, server, name, bias):
    weights, head_weights = resnet()[0], projector(12, 6, bias=bias)
    held = prefixed("module.backbone.", weights) | prefixed("module.projector.", head_weights)
    card = Card.read(ZOO / f"{name}.toml")
    whole = card.checkpoint["heads"]
    card = small(name, house, server, {whole: {"epoch": 1000, "model": held, "optimizer": {"state": {}}}})
    replace(card, objective={**card.objective, "arguments": {"projector": [12, 6]}}).write(
        house / "zoo" / f"{name}.toml"
    )
    model = hub.load(name, heads=True, progress=False)
    assert [path.rsplit("/", 1)[1] for path in server.paths] == [whole]
    np.testing.assert_allclose(run(model, pixels(32, 32)), expected(name, card, weights, pixels(32, 32)), atol=1e-4)
    assert type(model).__name__ == card.objective["name"]
    np.testing.assert_array_equal(hub.head_weights(model)["projector/output/kernel"], head_weights["3.weight"].T)


@on_tensorflow
@pytest.mark.parametrize("name, arguments", RUNS.items())
def test_a_training_run_gives_the_objective_with_all_that_it_had(house, server, name, arguments):
    """Encoder, heads, teacher and centers arrive from the file that the card names."""
    card = Card.read(ZOO / f"{name}.toml")
    network = {**card.architecture["arguments"], **SMALL_VIT, "heads": 3}
    model = getattr(keras_ssl, card.objective["name"])(keras_ssl.encoders.ViT(**network), **arguments)
    tree, arrays = published_run(model)
    card = small(name, house, server, {card.checkpoint["heads"]: tree})
    replace(card, objective={**card.objective, "arguments": arguments}).write(house / "zoo" / f"{name}.toml")
    accept = card.license if "NC" in card.license else None
    loaded = hub.load(name, heads=True, progress=False, accept_license=accept)
    assert type(loaded) is type(model)
    for key, variable in {**hub.named_weights(loaded.encoder), **hub.head_weights(loaded)}.items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), arrays[key])


@pytest.mark.slow
@on_tensorflow
def test_what_was_loaded_is_exported_and_loads_without_its_publisher(house, server):
    weights = resnet()[0]
    small("barlow_resnet50", house, server, {"resnet50.pth": weights})
    model = hub.load("barlow_resnet50", progress=False)
    export(model, house / "mine")
    np.testing.assert_allclose(run(hub.load(house / "mine"), pixels(32, 32)), run(model, pixels(32, 32)), atol=1e-6)
    assert len(server.paths) == 1
