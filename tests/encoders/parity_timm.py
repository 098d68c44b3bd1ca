"""Writes `timm_golden.npz`: features of timm's DINOv3, ConvNeXt and Swin networks under weights that NumPy draws.

The tests read the same weights under timm's names into keras_ssl's encoders and compare features, so they need no
PyTorch. Where PyTorch and timm are installed, `python -m tests.encoders.parity_timm` writes the file anew; the present
one is of timm 1.0.31 and PyTorch 2.13.0.
"""

import json
from pathlib import Path

import numpy as np

from tests.parity.draw import draw

GOLDEN = Path(__file__).with_name("timm_golden.npz")
SIZES = ((32, 32), (48, 24))
_VIT = {"patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 3, "img_size": 32, "global_pool": "token"}
_OURS = {"patch_size": 4, "width": 24, "depth": 3, "heads": 3, "registers": 4, "layer_scale": 1.0}
_WINDOWS = {"patch_size": 2, "embed_dim": 8, "depths": (1, 2, 2, 2), "num_heads": (1, 2, 2, 4), "window_size": 6}
_OUR_WINDOWS = {"patch_size": 2, "width": 8, "depths": (1, 2, 2, 2), "heads": (1, 2, 2, 4), "window": (6, 6, 6, 3)}
_MAPS = {"dims": (4, 8, 16, 32), "depths": (1, 1, 2, 1)}
# By name: timm's model, its arguments, the class of ours and its arguments.
CASES = {
    "dinov3": ("vit_small_patch16_dinov3_qkvb", _VIT, "RotaryViT", _OURS),
    "dinov3_plus": (
        "vit_small_plus_patch16_dinov3_qkvb",
        _VIT,
        "RotaryViT",
        _OURS | {"mlp": "swiglu", "mlp_ratio": 6.0},
    ),
    "dinov3_without_bias": ("vit_small_patch16_dinov3", _VIT, "RotaryViT", _OURS | {"qkv_bias": False}),
    "convnext": ("convnext_tiny", _MAPS, "ConvNeXt", {"width": 4, "depths": (1, 1, 2, 1)}),
    "convnextv2": ("convnextv2_tiny", _MAPS, "ConvNeXt", {"width": 4, "depths": (1, 1, 2, 1), "version": 2}),
    "swin": ("swin_tiny_patch4_window7_224", _WINDOWS, "Swin", _OUR_WINDOWS),
    "swin_bands": (
        "swin_tiny_patch4_window7_224",
        _WINDOWS | {"window_size": 3, "in_chans": 5},
        "Swin",
        _OUR_WINDOWS | {"window": 3, "channels": 5},
    ),
}


def images(case, size):
    """Images `[N, H, W, C]`."""
    bands = CASES[case][1].get("in_chans", 3)
    return np.random.default_rng(0).normal(size=(2, *size, bands)).astype("float32")


def sides(case):
    """Heights and widths of the images of a case: twice the size for a convolutional network, which halves more often.

    timm pads maps after it has moved them, the authors before, so those of a Swin are whole numbers of windows.
    """
    if case.startswith("swin"):
        return [(48, 48), (96, 48)]
    return [(2 * height, 2 * width) if case.startswith("conv") else (height, width) for height, width in SIZES]


def weights(golden, case):
    """Drawn arrays by timm's names."""
    return {key: draw(key, tuple(shape)) for key, shape in json.loads(str(golden[f"{case}_shapes"])).items()}


def main():
    import torch

    from tests.parity.timm_models import timm

    golden = {}
    for case, (name, arguments, _, _) in CASES.items():
        if "window_size" in arguments:
            arguments = arguments | {"img_size": sides(case)[0]}
        model = timm.create_model(name, num_classes=0, **arguments).eval()
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        model.load_state_dict({key: torch.from_numpy(draw(key, tuple(shape))) for key, shape in shapes.items()})
        golden[f"{case}_shapes"] = np.array(json.dumps(shapes))
        for height, width in sides(case):
            if "window_size" in arguments:
                model.set_input_size(
                    (height, width), window_size=[stage.blocks[0].window_size for stage in model.layers]
                )
            with torch.no_grad():
                features = model(torch.from_numpy(images(case, (height, width))).permute(0, 3, 1, 2)).numpy()
            golden[f"{case}_{height}x{width}"] = features
            print(case, features.shape, features.std())
    np.savez_compressed(GOLDEN, **golden)


if __name__ == "__main__":
    main()
