"""Every card of the catalogue: what it says, what it leaves out, and that its encoder is the published one."""

import re
from functools import cache

import keras
import numpy as np
import pytest

from keras_ssl import encoders, hub
from keras_ssl.checkpoints import resnet_table, vit_table
from keras_ssl.encoders import conv_next, swin
from keras_ssl.hub import Card, catalogue
from keras_ssl.hub.card_file import FIRST_USE
from keras_ssl.hub.card_size import _WEIGHTS, channels_of
from keras_ssl.hub.license_gate import is_non_commercial
from keras_ssl.hub.signatures import default_arguments
from tests.checkpoints.test_resnet_table import published_keys
from tests.encoders.test_vit import parameters
from tests.encoders.unallocated import trainable_parameters
from tests.hub.downloads import without_backend

pytestmark = without_backend
PATHS = {path.stem: path for path in sorted(catalogue.data_folder("zoo").glob("*.toml"))}
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@cache
def card(name):
    return Card.read(PATHS[name])


NON_COMMERCIAL = {name for name in PATHS if is_non_commercial(card(name))}
FREE = set(PATHS) - NON_COMMERCIAL
# Files whose full hash is known to more than their publisher.
PINNED = {name for name in PATHS if card(name).files[0].sha256 != FIRST_USE}
WHOLE = {name for name in PINNED if card(name).files[0].size is not None}
NORMS = {
    "simclr_resnet50": ([0.0] * 3, [1.0] * 3),
    "cifar": ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
    "tiny_imagenet": ([0.480, 0.448, 0.398], [0.277, 0.269, 0.282]),
    "stl10": ([0.43, 0.42, 0.39], [0.27, 0.26, 0.27]),
    "swav_resnet50": (IMAGENET_MEAN, [0.228, 0.224, 0.225]),
    "tips": ([0.0] * 3, [1.0] * 3),
    "siglip": ([0.5] * 3, [0.5] * 3),
}


def is_satellite(name):
    return "landsat" in name or "sentinel" in name


def test_the_catalogue_lists_what_is_in_the_folder():
    assert set(PATHS) <= set(hub.list_models(non_commercial=True))
    assert NON_COMMERCIAL.isdisjoint(hub.list_models()) and set(hub.list_models()) >= FREE
    assert set(hub.list_models(license="permissive")) >= FREE and len(FREE) > 10 * len(NON_COMMERCIAL)
    assert all(license in {*catalogue.PERMISSIVE, "CC-BY-NC-4.0"} for license in {card(n).license for n in PATHS})


@pytest.mark.parametrize("name", PATHS)
def test_a_card_says_what_is_known_and_nothing_else(name, tmp_path):
    it = card(name)
    assert it.name == name and it.description.endswith(".") and it.data
    assert set(it.paper) == {"title", "url"} and it.paper["url"].startswith("https://arxiv.org/abs/")
    assert it.origin["url"].startswith("https://github.com/") and it.claims.get("url", it.origin["url"])
    assert it.results == {} and it.recipe == {} and it.versions == {}  # nothing here was trained or measured by us
    for file in it.files:
        assert file.url.startswith("https://")
        assert (file.sha256 != FIRST_USE) is (name in PINNED and file is it.files[0])  # not the file of the heads
        assert file.url.endswith(file.name) and not file.name.endswith((".pkl", ".py"))
        if file.sha256_prefix and not name.startswith("vicreg"):
            assert file.name.removesuffix(".pth").endswith(file.sha256_prefix)
    assert len({file.name for file in it.files}) == len(it.files)
    known = {"mean", "std", "scale", "size", "resize", "crop", "crop_proportion", "interpolation", "clip", "bands"}
    assert set(it.preprocessing) <= known
    if not is_satellite(name):
        assert it.preprocessing["scale"] == 255 and not {"clip", "bands"} & set(it.preprocessing)
    it.write(tmp_path / "card.toml")
    assert Card.read(tmp_path / "card.toml") == it


def test_no_two_cards_are_of_one_file():
    urls = [file.url for name in PATHS for file in card(name).files]
    assert len(urls) == len(set(urls))
    for known in ("sha256", "sha256_prefix"):
        found = [getattr(card(name).files[0], known) for name in PATHS]
        found = [value for value in found if value not in (None, FIRST_USE)]
        assert len(found) == len(set(found)) > 10


def test_pinned_sizes_are_those_of_the_encoders():
    for name in WHOLE:
        millions = 23.5 if "resnet50" in name else VITS[name.split("_vit")[1][0]][3]
        assert card(name).files[0].size / 4e6 == pytest.approx(millions, rel=0.06), name


def test_claims_are_percentages_with_a_place_where_they_stand():
    for name in PATHS:
        claims = dict(card(name).claims)
        url = claims.pop("url", None)
        assert (url is not None) is bool(claims), name
        assert all(isinstance(value, float) and 1.0 < value < 100.0 for value in claims.values()), name
        if {"imagenet_knn_top1", "imagenet_linear_top1"} <= set(claims):
            assert claims["imagenet_knn_top1"] < claims["imagenet_linear_top1"], name


@pytest.mark.parametrize("name", PATHS)
def test_images_are_normalized_as_the_publisher_did(name):
    pre, it = card(name).preprocessing, card(name)
    channels = channels_of(it.architecture["arguments"])
    for values in (pre["mean"], pre["std"], pre.get("bands", pre["mean"])):
        assert len(values) == channels
    layer = hub.preprocessing(name)
    assert (layer.mean, layer.std) == (pre["mean"], pre["std"])
    if is_satellite(name):
        return
    kind = next((kind for kind in NORMS if kind in name and not name.startswith("openmmlab")), None)
    assert (pre["mean"], pre["std"]) == NORMS.get(kind, (IMAGENET_MEAN, IMAGENET_STD))


@pytest.mark.parametrize("name", [name for name in PATHS if is_satellite(name)])
def test_values_of_satellites_come_to_where_their_encoders_were_trained(name):
    """Landsat's are bytes. Of the others, two deviations about the mean come to [0, 1], or a reflectance of 1 does."""
    pre, layer = card(name).preprocessing, hub.preprocessing(name)
    count = len(pre["mean"])
    if "landsat" in name:
        images = np.array([0, 51, 255], "uint8")
        expected = [0.0, 0.2, 1.0]
    elif name.endswith("sentinel1"):
        low = np.array(pre["mean"]) + np.array(pre["std"]) / 2  # the mean itself
        assert np.allclose(low, [-12.59, -20.26], atol=0.1)
        images, expected = np.stack([low - 50, low, low + 50]).astype("float32"), [0.0, 0.5, 1.0]
    elif name.startswith("softcon"):
        images = np.stack([np.array(pre["mean"]) + part * np.array(pre["std"]) for part in (-1, 0.5, 1.5)])
        expected = [0.0, 0.5, 1.0]
    else:
        images, expected = np.array([0, 5000, 10_000], "uint16"), [0.0, 0.5, 1.0]
    images = np.broadcast_to(images.reshape(3, 1, 1, -1), (3, 1, 1, count))
    made = keras.ops.convert_to_numpy(layer(images))
    np.testing.assert_allclose(made, np.broadcast_to(np.reshape(expected, (3, 1, 1, 1)), made.shape), atol=1e-5)


@pytest.mark.parametrize("name", sorted(NON_COMMERCIAL))
def test_the_license_comes_before_everything_else(name, monkeypatch):
    monkeypatch.setattr(catalogue, "fetch", lambda *args, **kwargs: pytest.fail("something was downloaded"))
    monkeypatch.setattr(Card, "build_encoder", lambda *args, **kwargs: pytest.fail("something was built"))
    assert is_non_commercial(card(name))
    with pytest.raises(ValueError, match='accept_license="CC-BY-NC-4.0". Received: accept_license=None'):
        hub.load(name)


# Width, depth, hidden width, and millions of parameters as their pages say; patches by their side and number.
VITS = {
    "so400m": (1152, 27, 4304, 412),
    "gopt": (1536, 40, 6144, 1135),
    "s": (384, 12, 1536, 21),
    "b": (768, 12, 3072, 86),
    "l": (1024, 24, 4096, 303),
    "h": (1280, 32, 5120, 631),
    "g": (1536, 40, 4096, 1136),
}
RESNETS = {"resnet18": 11_689_512 - 513_000, "resnet50": 25_557_032 - 2_049_000, "50x2": 93.9e6, "200x2": 250.1e6}
RESNETS["50x4"] = 375.4e6
# Millions, with a classifier of 1,000 classes.
CONVNEXTS = {"atto": 3.7, "femto": 5.2, "pico": 9.1, "nano": 15.6, "tiny": 28.6, "base": 89, "large": 198, "huge": 660}

SWINS = {"swint": 28.3, "swinb": 87.8}


def vit_keys(depth, class_token, registers, scaled, gated):
    """The published keys, in no order."""
    keys = {"pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm.weight", "norm.bias"}
    keys |= {"cls_token"} if class_token else set()
    keys |= {"register_tokens"} if registers else set()
    mlp = ("mlp.w12", "mlp.w3") if gated else ("mlp.fc1", "mlp.fc2")
    for block in range(depth):
        layers = ("norm1", "norm2", "attn.qkv", "attn.proj", *mlp)
        keys |= {f"blocks.{block}.{layer}.{leaf}" for layer in layers for leaf in ("weight", "bias")}
        keys |= {f"blocks.{block}.ls{number}.gamma" for number in (1, 2)} if scaled else set()
    return keys


def shapes_of(name):
    """How many numbers train in a card's encoder, and its weights by name, none of which is allocated."""
    made = []

    def make():
        made.append(card(name).build_encoder())
        return made[0]

    return trainable_parameters(make), made[0]


LARGE = {"vicreg_resnet200x2", "mae_vith14", "ijepa_vith14", "dinov2_vitl14", "dinov2_vitg14_reg4", "simclr_resnet50x4"}
# One of each shape; the others differ from it in what the next test compares.
SHAPES = {"dino_vits8", "dinov2_vitb14_reg4", "mocov3_vits16", "barlow_resnet50", "mixed_barlow_resnet18_stl10"}
SHAPES |= {"vicreg_resnet50x2", "mae_vitb16"}


@pytest.mark.parametrize("name", [*sorted(SHAPES), *(pytest.param(x, marks=pytest.mark.slow) for x in sorted(LARGE))])
def test_an_encoder_has_the_published_number_of_weights_and_keys(name):
    count, encoder = shapes_of(name)
    variables = hub.named_weights(encoder)
    if "_vit" in name:
        size, patch = name.split("_vit")[1][0], encoder.patch_size
        width, depth, hidden, millions = VITS[size]
        has_class, registers, v2 = name != "ijepa_vith14", 4 * name.endswith("_reg4"), name.startswith("dinov2")
        positions = ((518 if v2 else 224) // patch) ** 2
        fixed = positions + 1 if name.startswith(("mae", "mocov3", "ijepa")) else 0  # positions that do not train
        gated = v2 and size == "g"
        expected = parameters(width, depth, patch, positions, hidden, gated, v2, registers)
        assert count == expected - fixed * width - (0 if has_class else width)
        assert expected / 1e6 == pytest.approx(millions, abs=1.5)
        assert set(vit_table(variables).weights) == vit_keys(depth, has_class, registers, v2, gated)
    else:
        kind = next(kind for kind in ("50x2", "50x4", "200x2", "resnet18", "resnet50") if kind in name)
        stem = (147 - 27) * 64 if "mixed" in name and "imagenet" not in name else 0  # 3x3 instead of 7x7
        assert count == pytest.approx(RESNETS[kind] - stem, abs=5e4 if "x" in kind else 0)
        depth = int(kind.strip("resnt").split("x")[0])
        assert sorted(resnet_table(variables).weights) == sorted(published_keys(depth))
    assert encoder.pooling in ("avg", "class", "mean")


@pytest.mark.parametrize("name", PATHS)
def test_an_encoder_is_of_the_published_size(name):
    """By the numbers alone: that they are those of the encoder that is built is tested with `check_encoder_size`."""
    arguments = card(name).architecture["arguments"]
    kind = card(name).architecture["name"]
    count = _WEIGHTS[kind]({**default_arguments(getattr(encoders, kind)), **arguments})
    if kind == "ConvNeXt":
        width = 8 * conv_next.CONVNEXTS[arguments["variant"]][0]
        assert (count + 1000 * (width + 1)) / 1e6 == pytest.approx(CONVNEXTS[name.split("_")[-1]], rel=0.015)
    elif kind == "Swin":
        size, window = re.search(r"_(swin[tsbl])(\d+)", name).groups()
        width = 8 * swin.SWINS[arguments["variant"]][0]
        assert (count + 1000 * (width + 1)) / 1e6 == pytest.approx(SWINS[size], rel=0.015)
        usual = arguments.get("window", 7)
        assert int(window) == (usual if isinstance(usual, int) else usual[0])
        assert arguments["variant"] == size[-1].upper()
    elif kind in ("ViT", "RotaryViT"):
        size = re.match(r"(so400m|gopt|[sblhg])\d", name.split("_vit")[1])[1]
        assert count / 1e6 == pytest.approx(VITS[size][3], rel=0.1)
        assert name.split("_vit")[1].removeprefix(size).split("_")[0] == str(arguments["patch_size"])
    else:
        found = next(kind for kind in ("50x2", "50x4", "200x2", "resnet18", "resnet50") if kind in name)
        assert count == pytest.approx(RESNETS[found], rel=0.02)


def test_the_others_of_a_family_differ_in_size_alone():
    def arguments(name):
        return card(name).architecture["arguments"]

    for size, heads in (("s", {"heads": 12}), ("b", {})):
        expected = {"variant": size.upper(), "patch_size": 16, "position": "sincos", "interpolate_offset": 0.0}
        assert arguments(f"mocov3_vit{size}16") == expected | heads
    for size in "sblg":
        expected = {"variant": size if size == "g" else size.upper(), "patch_size": 14, "image_size": 518}
        expected |= {"layer_scale": 1.0} | ({"mlp": "swiglu"} if size == "g" else {})
        assert arguments(f"dinov2_vit{size}14") == expected
        registers = {"registers": 4, "interpolate_offset": 0.0, "interpolate_antialias": True}
        assert arguments(f"dinov2_vit{size}14_reg4") == expected | registers
    for size in "sb":
        for patch in (8, 16):
            assert arguments(f"dino_vit{size}{patch}") == {"variant": size.upper(), "patch_size": patch}
    for size, patch in (("b", 16), ("l", 16), ("h", 14)):
        expected = {"variant": size.upper(), "patch_size": patch, "position": "sincos", "interpolate_offset": 0.0}
        assert arguments(f"mae_vit{size}{patch}") == expected
    for name in ("barlow_resnet50", "vicreg_resnet50", "dino_resnet50", "mocov3_resnet50", "swav_resnet50"):
        assert arguments(name) == {"depth": 50}
    for width in (2, 4):
        assert arguments(f"simclr_resnet50x{width}") == arguments("simclr_resnet50") | {"width": width}
    for depth in (18, 50):
        for data in ("cifar10", "cifar100", "tiny_imagenet", "stl10"):
            stem = "cifar" if "cifar" in data else "cifar_pool"
            assert arguments(f"mixed_barlow_resnet{depth}_{data}") == {"depth": depth, "stem": stem}


def test_heads_come_with_the_objective_that_made_them():
    with_heads = {name for name in PATHS if card(name).heads_file is not None}
    projectors = {"barlow_resnet50", *(f"vicreg_resnet{name}" for name in ("50", "50x2", "200x2"))}
    runs = {"dino_vitb16": "DINO", "dino_vitb8": "DINO", "ijepa_vith14": "IJEPA"}
    assert with_heads == projectors | set(runs)
    for name, objective in runs.items():
        assert card(name).objective["name"] == objective
    assert card("dino_vitb16").objective["arguments"] == {"projector": [2048, 2048, 256], "out_dim": 65536}
    assert card("ijepa_vith14").objective["arguments"] == {
        "predictor_width": 384,
        "predictor_depth": 12,
        "predictor_heads": 16,
    }
    for name in projectors:
        assert card(name).objective["name"] == ("BarlowTwins" if "barlow" in name else "VICReg")
        assert card(name).objective["arguments"] == {"projector": [8192, 8192, 8192]}
