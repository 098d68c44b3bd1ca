"""Weights that follow from their names and shapes, the same in both environments."""

import re
import zlib

import numpy as np


def draw(key, shape, seed=0):
    """The tensor of this name in PyTorch's layout; features of networks with such weights are about 1."""
    if key.endswith("num_batches_tracked"):
        return np.array(3)
    rng = np.random.default_rng([zlib.crc32(key.encode()), seed])
    if key.endswith("running_var") or (len(shape) == 1 and key.endswith(("weight", "gamma"))):
        # The last of a bottleneck is small: the sum of many must not grow.
        return (rng.uniform(0.5, 1.5, shape) * (0.2 if re.search(r"\.bn3\.", key) else 1.0)).astype("float32")
    if key.endswith("periods"):
        return rng.uniform(0.5, 50.0, shape).astype("float32")
    if len(shape) == 1:
        scale = 0.2
    elif key.endswith(("token", "tokens", "pos_embed")):
        scale = 0.5
    else:
        scale = float(np.prod(shape[1:])) ** -0.5
    return rng.standard_normal(shape, "float32") * np.float32(scale)
