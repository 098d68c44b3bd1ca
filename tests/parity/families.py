"""The families of published checkpoints: how PyTorch makes each, how its file is laid out, and which entry loads it.

Both environments read this file, so it needs neither PyTorch nor Keras. What PyTorch is told stands here once more,
from the publishers' own words, and not in the cards, which it is to check.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("families_golden.npz")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SWAV = (IMAGENET[0], (0.228, 0.224, 0.225))
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
STL10 = ((0.43, 0.42, 0.39), (0.27, 0.26, 0.27))
PLAIN, HALVES = ((0.0,), (1.0,)), ((0.5,), (0.5,))
# Means and deviations of satellites' bands, as their authors' code has them.
SENTINEL1 = ((-12.54847273, -20.19237134), (5.25697717, 5.91150917))
SENTINEL2 = (
    (1612.9, 1397.6, 1322.3, 1373.1, 1561.0, 2108.4, 2390.7, 2318.7, 2581.0, 837.7, 22.0, 2195.2, 1537.4),
    (791.0, 854.3, 878.7, 1144.9, 1127.5, 1164.2, 1276.0, 1249.5, 1345.9, 577.5, 47.5, 1340.0, 1142.9),
)


@dataclass(frozen=True)
class Family:
    """A checkpoint of one family.

    Args:
        torch: class in `torch_models` and its arguments.
        layout: function of `make_files` that arranges the weights as the published file does.
        sizes: of the images that features are compared for: the published one first.
        smaller: arguments of the encoder that differ from the card's, since the published size would take long.
        normalization: mean and standard deviation of pixels in [0, 1].
        stream: whether the file is of PyTorch's format before version 1.6.
        count: number of images.
        values: what images hold: "bytes", which are divided by 255 and normalized; "reflectance", which is divided by
            10,000 and clipped; or "bands", of which two deviations to either side of the mean are brought to [0, 1] and
            clipped.
        npz: whether the file is an archive of NumPy's, and not one of PyTorch's.
        encoder: our class, of which `smaller` are all arguments, where the zoo has no entry of the family.
    """

    torch: tuple[str, dict]
    layout: str
    sizes: tuple[tuple[int, int], ...]
    smaller: dict = field(default_factory=dict)
    normalization: tuple = IMAGENET
    stream: bool = False
    count: int = 2
    values: str = "bytes"
    npz: bool = False
    encoder: str | None = None

    @property
    def bands(self):
        """Number of the images' channels."""
        return self.torch[1].get("bands", 3)

    def draw_images(self, draws, height, width):
        """Images `[N, H, W, C]` of the family's values."""
        shape = (self.count, height, width, self.bands)
        if self.values == "bytes":
            return draws.integers(0, 256, shape, dtype="uint8")
        if self.values == "reflectance":
            return draws.integers(0, 14_000, shape, dtype="uint16")
        mean, std = (np.array(part) for part in self.normalization)
        return (mean + 3.0 * std * draws.uniform(-1, 1, shape)).astype("float32")

    def normalize(self, images):
        """What the publisher's code makes of them."""
        mean, std = (np.array(part) for part in self.normalization)
        if self.values == "bytes":
            made = (images / 255.0 - mean) / std
        elif self.values == "reflectance":
            made = np.clip(images / 10_000.0, 0.0, 1.0)
        else:
            made = np.clip((images - (mean - 2 * std)) / (4 * std), 0.0, 1.0)
        return made.astype("float32")


def _resnet(layout, channels=4, depth=50, stem="imagenet", bands=3, **options):
    """A ResNet that has `channels` in its first stage instead of 64 and more."""
    sizes = ((64, 64), (51, 66)) if stem == "imagenet" else ((32, 32), (21, 40))
    arguments = {"depth": depth, "channels": channels, "stem": stem} | ({"bands": bands} if bands != 3 else {})
    return Family(("ResNet", arguments), layout, sizes, {"width": channels / 64}, **options)


def _vit(layout, heads=3, options=(), **torch):
    """A vision transformer of width 24 and three blocks, for 8 x 8 patches of 4 pixels."""
    smaller = {"width": 24, "depth": 3, "heads": heads, "patch_size": 4, "image_size": 32}
    torch = {"width": 24, "depth": 3, "heads": heads, "patch": 4, "side": 32} | torch
    return Family(("ViT", torch), layout, ((32, 32), (48, 24)), smaller, **dict(options))


def _rotary(layout, kind="Dinov3ViT", **torch):
    """One with rotary positions, of the same sizes."""
    smaller = {"width": 24, "depth": 3, "heads": 3, "patch_size": 4}
    return Family((kind, torch), layout, ((32, 32), (48, 24)), smaller)


def _swin(layout, window=3, smaller=3, encoder=None, **torch):
    """A Swin of width 8 whose maps have sides of 24, 12, 6 and 3 at the first size; `smaller` are our windows."""
    arguments = {"width": 8, "depths": [1, 2, 2, 2], "heads": [1, 2, 2, 4], "window": smaller, "patch_size": 2}
    if encoder is not None and "bands" in torch:
        arguments["channels"] = torch["bands"]
    norms = {"normalization": PLAIN} if "bands" in torch else {}
    torch = {"window": window} | torch
    return Family(("Swin", torch), layout, ((48, 48), (96, 48)), arguments, encoder=encoder, **norms)


_DINOV2 = {"scaled": True, "masked": True}
_REGISTERS = _DINOV2 | {"registers": 4, "offset": 0.0, "antialias": True}
_TIPS = {"scaled": True, "masked": True, "registers": 1, "offset": 0.0, "antialias": True, "interpolation": "bilinear"}
_SIGLIP = {"class_token": False, "offset": 0.0, "tanh": True, "pool": True}
_TIMM = {"offset": 0.0, "antialias": True}
_BANDS = {"values": "bands"}
DECUR = ((-12.59, -20.26), (5.26, 5.91))
_SIZES = ((224, 224), (160, 96))

FAMILIES = {
    # At the published size.
    "barlow_resnet50": Family(("ResNet", {}), "plain", _SIZES),
    "swav_resnet50": Family(("ResNet", {}), "swav", _SIZES, normalization=SWAV, stream=True, count=1),
    "mixed_barlow_resnet18_cifar10": Family(
        ("ResNet", {"depth": 18, "stem": "cifar"}), "mixed", ((32, 32), (20, 33)), normalization=CIFAR10
    ),
    "dino_vits16": Family(("ViT", {}), "plain", _SIZES),
    "dinov2_vits14": Family(("ViT", _DINOV2 | {"patch": 14, "side": 518}), "plain", ((518, 518), (224, 154)), count=1),
    # Smaller, in the published layout.
    "vicreg_resnet50x2": _resnet("plain", 8),
    "vicreg_resnet200x2": _resnet("plain", 2, 200),
    "dino_resnet50": _resnet("plain"),
    "mocov3_resnet50": _resnet("moco_v3"),
    "mixed_barlow_resnet18_stl10": _resnet("mixed", 8, 18, "cifar_pool", normalization=STL10),
    "mixed_barlow_resnet50_imagenet": _resnet("plain"),
    "dino_vitb8": _vit("plain"),
    "dinov2_vitb14_reg4": _vit("plain", **_REGISTERS),
    "dinov2_vitg14": _vit("plain", **_DINOV2, gated=True),
    "dinov2_vitg14_reg4": _vit("plain", **_REGISTERS, gated=True),
    "mae_vitb16": _vit("mae", offset=0.0),
    "mocov3_vits16": _vit("moco_v3", 12, offset=0.0),
    "ijepa_vith14": _vit("ijepa", offset=0.0, class_token=False),
    "ibot_vits16": _vit("ibot"),
    "mugs_vits16": _vit("mugs"),
    "dbot_vitb16": _vit("dbot", offset=0.0),
    "pclv2_resnet50": _resnet("moco"),
    "openmmlab_byol_resnet50": _resnet("openmmlab"),
    "openmmlab_spark_resnet50": _resnet("spark"),
    "openmmlab_mocov3_vits16": _vit("openmmlab", 12, offset=0.0),
    "openmmlab_mae_vitb16": _vit("openmmlab", offset=0.0),
    "openmmlab_maskfeat_vitb16": _vit("openmmlab_masked", offset=0.0),
    "lingbot_vits16": _rotary("lingbot"),
    "lingbot_vitg16": _rotary("plain", gated=True, qkv_bias=False),
    "capi_vitl14_lvd": _rotary("capi", "CapiViT"),
    "fcmae_convnext_atto": Family(
        ("ConvNeXt", {"grn": True, "final_norm": False}),
        "fcmae",
        ((64, 64), (51, 66)),
        {"width": 4, "depths": [1, 1, 2, 1]},
    ),
    "ibot_swint7": _swin("swin_ibot", epsilon=1e-6),
    "ibot_swint14": _swin("swin_ibot", 6, [6, 6, 6, 3], epsilon=1e-6),
    "moby_swint7": _swin("swin_moby"),
    "openmmlab_simmim_swinb6": _swin("swin_openmmlab"),
    # Layouts that the zoo has no entry of.
    "swin_bands": _swin("plain", encoder="Swin", bands=5),
    "eupe_vits16": Family(
        ("EupeViT", {}),
        "eupe",
        ((32, 32), (48, 24)),
        {"width": 24, "depth": 3, "heads": 3, "patch_size": 4, "layer_scale": 1.0},
        encoder="RotaryViT",
    ),
    "eupe_convnext_tiny": Family(
        ("EupeConvNeXt", {}), "eupe", ((64, 64), (51, 66)), {"width": 4, "depths": [1, 1, 2, 1]}, encoder="ConvNeXt"
    ),
    # Arrays of NumPy's.
    "tips_vitb14": _vit("plain", options={"npz": True, "normalization": PLAIN}, **_TIPS),
    "tipsv2_vitg14": _vit("plain", options={"npz": True, "normalization": PLAIN}, **_TIPS, gated=True),
    "siglip2_vitb16_224": _vit("big_vision", options={"npz": True, "normalization": HALVES}, **_SIGLIP),
    # Satellites' bands.
    "moco_resnet18_landsat_tm_toa": _resnet("plain", 8, 18, bands=7, normalization=PLAIN),
    "decur_resnet50_sentinel1": _resnet("plain", bands=2, normalization=DECUR, values="bands"),
    "moco_vits16_landsat_etm_sr": _vit("plain", options={"normalization": PLAIN}, bands=6, **_TIMM),
    "dino_vits16_sentinel2": _vit("plain", options={"values": "reflectance"}, bands=13, **_TIMM),
    "mae_vitb16_sentinel1": _vit("plain", options=_BANDS | {"normalization": SENTINEL1}, bands=2, **_TIMM),
    "softcon_vits14_sentinel2": _vit(
        "plain", options=_BANDS | {"normalization": SENTINEL2}, bands=13, scaled=True, **_TIMM
    ),
}

# One of each network that is small, for stored features.
SMALLER = list(
    {
        repr(family.torch): name
        for name, family in reversed(FAMILIES.items())
        # Those of big_vision have other names than PyTorch's network, those of EUPE weights that are not drawn.
        if family.smaller and family.layout not in ("big_vision", "eupe")
    }.values()
)[::-1]


def file_name(name):
    """The family's file, in the folder that `make_files` writes."""
    return f"{name}.weights.npz" if FAMILIES[name].npz else f"{name}.pth"


def golden_images(height, width, bands=3):
    """Normalized images `[N, H, W, C]` of the stored features."""
    return np.random.default_rng(0).normal(size=(2, height, width, bands)).astype("float32")
