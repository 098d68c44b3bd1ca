"""Every card of the catalogue: what it says, what it leaves out, and that its encoder is the published one."""

from functools import cache

import pytest

from keras_ssl import hub
from keras_ssl.checkpoints import resnet_table, vit_table
from keras_ssl.hub import Card, catalogue
from keras_ssl.hub.license_gate import is_non_commercial
from tests.checkpoints.test_resnet_table import published_keys
from tests.encoders.test_vit import parameters
from tests.encoders.unallocated import trainable_parameters
from tests.hub.downloads import without_backend

pytestmark = without_backend
PATHS = {path.stem: path for path in sorted(catalogue.data_folder("zoo").glob("*.toml"))}
NON_COMMERCIAL = {f"mae_vit{name}" for name in ("b16", "l16", "h14")} | {"swav_resnet50", "ijepa_vith14"}
NON_COMMERCIAL |= {f"mocov3_{name}" for name in ("resnet50", "vits16", "vitb16")}
FREE = {"barlow_resnet50", "dino_resnet50", "simclr_resnet50", "simclr_resnet50x2", "simclr_resnet50x4"}
FREE |= {f"vicreg_resnet{name}" for name in ("50", "50x2", "200x2")} | {"mixed_barlow_resnet50_imagenet"}
FREE |= {f"dino_vit{name}" for name in ("s16", "s8", "b16", "b8")}
FREE |= {f"dinov2_vit{size}14{registers}" for size in "sblg" for registers in ("", "_reg4")}
FREE |= {
    f"mixed_barlow_resnet{n}_{data}" for n in (18, 50) for data in ("cifar10", "cifar100", "tiny_imagenet", "stl10")
}
# Files whose hash is known to more than their publisher.
PINNED = {name for name in FREE if name.startswith("dinov2")} | {"dino_vitb16", "dino_vitb8", "vicreg_resnet50"}
PINNED |= {"mae_vitb16"}
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@cache
def card(name):
    return Card.read(PATHS[name])


def test_the_catalogue_has_what_the_field_publishes():
    assert set(PATHS) == FREE | NON_COMMERCIAL
    assert set(PATHS) <= set(hub.list_models(non_commercial=True))
    assert NON_COMMERCIAL.isdisjoint(hub.list_models()) and set(hub.list_models()) >= FREE


@pytest.mark.parametrize("name", PATHS)
def test_a_card_says_what_is_known_and_nothing_else(name, tmp_path):
    it = card(name)
    assert it.name == name and it.description and it.data
    assert it.license == ("CC-BY-NC-4.0" if name in NON_COMMERCIAL else it.license) and it.license in {
        "MIT",
        "Apache-2.0",
        "CC-BY-NC-4.0",
    }
    assert set(it.paper) == {"title", "url"} and it.paper["url"].startswith("https://arxiv.org/abs/")
    assert it.origin["url"].startswith("https://github.com/") and it.claims.get("url", it.origin["url"])
    assert it.results == {} and it.recipe == {} and it.versions == {}  # nothing here was trained or measured by us
    for file in it.files:
        assert file.url.startswith("https://")
        pinned = name in PINNED and file.name == it.files[0].name  # not the file of the heads
        assert (file.sha256 != "first-use") is (file.size is not None) is pinned
        assert file.url.endswith(file.name) and not file.name.endswith((".pkl", ".py"))
    assert len({file.name for file in it.files}) == len(it.files)
    known = {"mean", "std", "scale", "size", "resize", "crop", "crop_proportion", "interpolation"}
    assert set(it.preprocessing) <= known and it.preprocessing["scale"] == 255
    it.write(tmp_path / "card.toml")
    assert Card.read(tmp_path / "card.toml") == it


def test_pinned_sizes_are_those_of_the_encoders():
    for name in PINNED:
        millions = 23.5 if "resnet50" in name else VITS[name.split("_vit")[1][0]][3]
        assert card(name).files[0].size / 4e6 == pytest.approx(millions, rel=0.06), name
        assert len({card(other).files[0].sha256 for other in PINNED}) == len(PINNED)


def test_what_publishers_do_not_say_is_left_out():
    assert {name for name in PATHS if not card(name).claims} == {
        "ijepa_vith14",
        *(f"dinov2_vit{size}14_reg4" for size in "sblg"),
    }
    silent = {name for name in PATHS if "interpolation" not in card(name).preprocessing}
    assert silent == {name for name in PATHS if name.startswith(("vicreg", "mocov3", "swav", "ijepa", "mixed"))}


def test_images_are_normalized_as_the_publisher_did():
    for name in PATHS:
        pre = card(name).preprocessing
        if name.startswith("simclr"):
            expected: tuple = ([0.0] * 3, [1.0] * 3)
        elif "cifar" in name:
            expected = ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010])
        elif "tiny" in name:
            expected = ([0.480, 0.448, 0.398], [0.277, 0.269, 0.282])
        elif "stl10" in name:
            expected = ([0.43, 0.42, 0.39], [0.27, 0.26, 0.27])
        else:
            expected = (IMAGENET_MEAN, [0.228, 0.224, 0.225] if name == "swav_resnet50" else IMAGENET_STD)
        assert (pre["mean"], pre["std"]) == expected
        layer = hub.preprocessing(name)
        assert (layer.mean, layer.std) == expected


@pytest.mark.parametrize("name", sorted(NON_COMMERCIAL))
def test_the_license_comes_before_everything_else(name, monkeypatch):
    monkeypatch.setattr(catalogue, "fetch", lambda *args, **kwargs: pytest.fail("something was downloaded"))
    monkeypatch.setattr(Card, "build_encoder", lambda *args, **kwargs: pytest.fail("something was built"))
    assert is_non_commercial(card(name))
    with pytest.raises(ValueError, match='accept_license="CC-BY-NC-4.0". Received: accept_license=None'):
        hub.load(name)


# Width, depth, hidden width, and millions of parameters as their pages say; patches by their side and number.
VITS = {
    "s": (384, 12, 1536, 21),
    "b": (768, 12, 3072, 86),
    "l": (1024, 24, 4096, 303),
    "h": (1280, 32, 5120, 631),
    "g": (1536, 40, 4096, 1136),
}
RESNETS = {"resnet18": 11_689_512 - 513_000, "resnet50": 25_557_032 - 2_049_000, "50x2": 93.9e6, "200x2": 250.1e6}
RESNETS["50x4"] = 375.4e6


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
    assert with_heads == {"barlow_resnet50", *(f"vicreg_resnet{name}" for name in ("50", "50x2", "200x2"))}
    for name in with_heads:
        assert card(name).objective["name"] == ("BarlowTwins" if "barlow" in name else "VICReg")
        assert card(name).objective["arguments"] == {"projector": [8192, 8192, 8192]}
