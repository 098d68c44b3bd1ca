"""Writes `dino_golden.npz`: features that the authors' code of DINO and DINOv2 gives under weights that NumPy draws.

The tests draw the same weights for keras_ssl's ViT and compare features, so they need no PyTorch. Where PyTorch is
installed, `python tests/encoders/parity_dino.py DINO DINOV2`, with the folders of clones of facebookresearch/dino and
facebookresearch/dinov2 (one that has registers), writes the file anew.
"""

import importlib
import sys
import zlib
from functools import partial
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("dino_golden.npz")
SIZES = ((32, 32), (48, 24), (20, 44))  # the positions' own, then others

_SIZES = {"depth": 3, "patch_size": 4}
_TORCH = _SIZES | {"embed_dim": 24, "num_heads": 3}
_KERAS = _SIZES | {"width": 24, "heads": 3, "image_size": 32}
_DINOV2 = {"img_size": 32, "init_values": 1.0, "block_chunks": 0}
# What the authors' class and keras_ssl's are told.
CASES = {
    "dino": (_TORCH | {"img_size": [32], "qkv_bias": True}, _KERAS),
    "dinov2": (_TORCH | _DINOV2, _KERAS | {"layer_scale": 1.0}),
    "dinov2_registers": (
        _TORCH
        | _DINOV2
        | {
            "ffn_layer": "swiglufused",
            "num_register_tokens": 4,
            "interpolate_antialias": True,
            "interpolate_offset": 0.0,
        },
        _KERAS
        | {
            "layer_scale": 1.0,
            "mlp": "swiglu",
            "registers": 4,
            "interpolate_antialias": True,
            "interpolate_offset": 0.0,
        },
    ),
}


def draw(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of this name in PyTorch's layout: a function of the name and the shape alone."""
    values = np.random.default_rng(zlib.crc32(key.encode())).normal(0.0, 0.2, shape)
    scale = len(shape) == 1 and key.endswith(("weight", "gamma"))
    return (values + (1.0 if scale else 0.0)).astype("float32")


def images(size: tuple[int, int]) -> np.ndarray:
    """Images `[N, H, W, C]`."""
    return np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")


def main(dino: str, dinov2: str) -> None:
    import torch

    sys.path[:0] = [dino, dinov2]
    first = importlib.import_module("vision_transformer").VisionTransformer
    second = importlib.import_module("dinov2.models.vision_transformer").DinoVisionTransformer
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    golden = {}
    for name, (arguments, _) in CASES.items():
        model = first(norm_layer=norm, **arguments) if name == "dino" else second(**arguments)
        state = {key: torch.from_numpy(draw(key, tuple(value.shape))) for key, value in model.state_dict().items()}
        model.load_state_dict(state)
        model.eval()
        for size in SIZES:
            with torch.no_grad():
                features = model(torch.from_numpy(images(size).transpose(0, 3, 1, 2)))
            golden[f"{name}_{size[0]}x{size[1]}"] = features.numpy()
    np.savez(GOLDEN, **golden)


if __name__ == "__main__":
    main(*sys.argv[1:])
