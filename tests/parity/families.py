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
    """

    torch: tuple[str, dict]
    layout: str
    sizes: tuple[tuple[int, int], ...]
    smaller: dict = field(default_factory=dict)
    normalization: tuple = IMAGENET
    stream: bool = False
    count: int = 2


def _resnet(layout, channels=4, depth=50, stem="imagenet", **options):
    """A ResNet that has `channels` in its first stage instead of 64 and more."""
    sizes = ((64, 64), (51, 66)) if stem == "imagenet" else ((32, 32), (21, 40))
    arguments = {"depth": depth, "channels": channels, "stem": stem}
    return Family(("ResNet", arguments), layout, sizes, {"width": channels / 64}, **options)


def _vit(layout, heads=3, **torch):
    """A vision transformer of width 24 and three blocks, for 8 x 8 patches of 4 pixels."""
    smaller = {"width": 24, "depth": 3, "heads": heads, "patch_size": 4, "image_size": 32}
    torch = {"width": 24, "depth": 3, "heads": heads, "patch": 4, "side": 32} | torch
    return Family(("ViT", torch), layout, ((32, 32), (48, 24)), smaller)


_DINOV2 = {"scaled": True, "masked": True}
_REGISTERS = _DINOV2 | {"registers": 4, "offset": 0.0, "antialias": True}
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
}

# One of each network that is small, for stored features.
SMALLER = list({repr(family.torch): name for name, family in reversed(FAMILIES.items()) if family.smaller}.values())[
    ::-1
]


def golden_images(height, width):
    """Normalized images `[N, H, W, C]` of the stored features."""
    return np.random.default_rng(0).normal(size=(2, height, width, 3)).astype("float32")
