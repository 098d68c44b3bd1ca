"""Writes `torchvision_golden.npz`: features of torchvision's ResNets under weights that NumPy draws.

The tests draw the same weights for keras_ssl's ResNets and compare features, so they need no PyTorch. Where
PyTorch and torchvision are installed, `python tests/encoders/parity_torchvision.py` writes the file anew.
"""

import zlib
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("torchvision_golden.npz")
DEPTHS = (18, 34, 50, 101)
IMAGE_SHAPE = (1, 51, 66, 3)  # odd and even, not square: every padding matters


def draw(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of this name in PyTorch's layout: a function of the name and the shape alone."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if len(shape) == 4:  # the factor keeps the sum of the residual branches moderate
        fan_in = shape[1] * shape[2] * shape[3]
        return rng.standard_normal(shape, "float32") * np.float32(np.sqrt(1.0 / fan_in))
    if key.endswith(("running_var", "weight")):
        return rng.uniform(0.5, 1.5, shape).astype("float32")
    return rng.normal(0.0, 0.3, shape).astype("float32")


def images() -> np.ndarray:
    """Images `[N, H, W, C]`."""
    return np.random.default_rng(0).normal(size=IMAGE_SHAPE).astype("float32")


def main() -> None:
    import torch
    import torchvision

    golden = {}
    for depth in DEPTHS:
        model = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        model.fc = torch.nn.Identity()
        state = {
            key: torch.from_numpy(draw(key, tuple(value.shape)))
            for key, value in model.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        print(depth, model.load_state_dict(state, strict=False))
        with torch.no_grad():
            features = model.eval()(torch.from_numpy(images()).permute(0, 3, 1, 2))
        golden[f"resnet{depth}"] = features.numpy()
        print(depth, features.shape, features.mean(), features.std())
    np.savez_compressed(GOLDEN, **golden)


if __name__ == "__main__":
    main()
