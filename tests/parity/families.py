"""The families of published checkpoints: how PyTorch makes each, how its file is laid out, and what loads it.

Both environments read this file, so it needs neither PyTorch nor Keras.
"""

import zlib
from dataclasses import dataclass

import numpy as np

_TINY = {"width": 24, "depth": 3, "heads": 3}
_SIZED = {"patch": 4, "side": 32}
_KERAS_SIZED = {"patch_size": 4, "image_size": 32}


@dataclass(frozen=True)
class Family:
    """A checkpoint of one family.

    Args:
        torch: class in `torch_models` and its arguments.
        layout: function of `make_files` that arranges the weights as the published file does.
        encoder: class of `keras_ssl.encoders` and its arguments.
        sizes: of the images that features are compared for: the published one first.
        stream: whether the file is of PyTorch's format before version 1.6.
        count: number of images.
    """

    torch: tuple[str, dict]
    layout: str
    encoder: tuple[str, dict]
    sizes: tuple[tuple[int, int], ...] = ((32, 32), (48, 24))
    stream: bool = False
    count: int = 2


def _resnet(layout, *, depth=50, channels=4, **options):
    return Family(
        ("ResNet", {"depth": depth, "channels": channels}),
        layout,
        ("ResNet", {"depth": depth, "width": channels / 64}),
        ((64, 64), (51, 66)),
        **options,
    )


def _vit(layout, torch, keras, **options):
    return Family(("ViT", _TINY | _SIZED | torch), layout, ("ViT", _TINY | _KERAS_SIZED | keras), **options)


_REAL = {"sizes": ((224, 224), (160, 96))}
_DINOV2 = {"scaled": True, "masked": True}
_REGISTERS = _DINOV2 | {"registers": 4, "offset": 0.0, "antialias": True}
_KERAS_REGISTERS = {"layer_scale": 1.0, "registers": 4, "interpolate_offset": 0.0, "interpolate_antialias": True}
_SINCOS = {"position": "sincos", "interpolate_offset": 0.0}

FAMILIES = {
    # At the published size.
    "barlow_resnet50": Family(("ResNet", {"depth": 50}), "plain", ("ResNet", {"depth": 50}), **_REAL),
    "dino_vits16": Family(("ViT", {}), "plain", ("ViT", {}), **_REAL),
    # Smaller, in the published layout.
    "swav": _resnet("swav", stream=True),
    "moco_v3_resnet": _resnet("moco_v3"),
    "vicreg_wide": _resnet("plain", channels=8),
    "vicreg_resnet200": _resnet("plain", depth=200, channels=2),
    "vicreg_full": _resnet("vicreg_full", channels=2),
    "dino_resnet": _resnet("plain", channels=2),
    "dino_full": _vit("dino_full", {}, {}),
    "dinov2": _vit("plain", _DINOV2, {"layer_scale": 1.0}),
    "dinov2_registers": _vit("plain", _REGISTERS, _KERAS_REGISTERS),
    "dinov2_giant": _vit("plain", _DINOV2 | {"gated": True}, {"layer_scale": 1.0, "mlp": "swiglu"}),
    "dinov2_giant_registers": _vit("plain", _REGISTERS | {"gated": True}, _KERAS_REGISTERS | {"mlp": "swiglu"}),
    "mae": _vit("mae", {"offset": 0.0}, _SINCOS),
    "mae_pooled": _vit("mae", {"offset": 0.0, "pooled": True}, _SINCOS | {"pooling": "mean"}),
    "moco_v3_vit": _vit("moco_v3", {"offset": 0.0, "heads": 12}, _SINCOS | {"heads": 12}),
}


def images(name, size):
    """Normalised images `[N, H, W, C]`."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.normal(size=(FAMILIES[name].count, *size, 3)).astype("float32")
