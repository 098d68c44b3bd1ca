"""What would make a file's weights fit, where something would."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

_FIRST_KERNELS = (
    "patch_embed.proj.weight",
    "conv1.weight",
    "patch_embed.weight",
    "patch_embed.projection.weight",
    "downsample_layers.0.0.weight",
    "stem.0.weight",
)
_LONGEST = 100  # characters of a prefix that is worth naming


def prefix_hint(keys: Iterable[str], fits: Callable[[list[str]], bool]) -> str:
    """A sentence that names the prefix behind which all weights are, or "".

    Args:
        keys: of the file, whole.
        fits: tells whether keys, once the prefix is taken away, are all that is needed.

    Example:

    >>> prefix_hint(["model.a", "model.b", "c"], lambda keys: {"a", "b"} <= set(keys))
    'They are all there behind one prefix: pass prefixes=("model.",).'
    """
    keys = list(keys)
    counts: Counter[str] = Counter()
    for key in keys:
        parts = key.split(".")[:-1]
        counts.update(".".join(parts[:count]) + "." for count in range(1, min(len(parts), 8) + 1))
    # The longest lead to the least besides the weights; those of single layers have too few keys behind them.
    found = [
        prefix
        for prefix, count in sorted(counts.items(), key=lambda item: (item[1], -len(item[0])))
        if len(prefix) <= _LONGEST and fits([key.removeprefix(prefix) for key in keys if key.startswith(prefix)])
    ]
    if not found:
        return ""
    texts = [f'prefixes=("{prefix}",)' for prefix in dict.fromkeys(found[:3])]
    if len(texts) == 1:
        return f"They are all there behind one prefix: pass {texts[0]}."
    return f"They are all there behind each of several prefixes: pass {' or '.join(texts)}."


def shape_hint(arrays: Mapping[str, np.ndarray], encoder: Any) -> str:
    """Sentences that name the encoder's arguments by which positions, patches and channels fit, or "".

    Args:
        arrays: of the file, by the names of timm or torchvision.
        encoder: a `keras_ssl.encoders.ViT`, `RotaryViT`, `ResNet`, `ConvNeXt` or `Swin`.
    """
    kernel = next((arrays[key] for key in _FIRST_KERNELS if key in arrays), None)
    hints = []
    patch = getattr(encoder, "patch_size", getattr(encoder, "stem_size", None))
    if kernel is not None and kernel.ndim == 4:
        _, channels, height, _ = kernel.shape
        if channels != encoder.input_shape[-1]:
            kind = "weights for RGB images need" if channels == 3 else "the file's weights need"
            hints.append(
                f"An encoder's first kernel fits one number of channels, and {kind} {channels}: pass "
                f"input_shape=(None, None, {channels}) to the encoder; images of others are to be converted before."
            )
        if patch is not None and height != patch:
            hints.append(f"The file's patches fit patch_size={height}.")
            patch = height
    positions = arrays.get("pos_embed")
    if patch is not None and positions is not None and positions.ndim > 1:
        single = int("cls_token" in arrays)
        own, count = int(encoder.class_token), positions.shape[-2]
        side = math.isqrt(max(count - own, 0))
        if side and side**2 == count - own:
            if side * patch != encoder.image_size:
                hints.append(f"The file's positions fit image_size={side * patch}.")
        elif math.isqrt(max(count - single, 0)) ** 2 == count - single and single != own:
            hints.append(f"The file's positions fit class_token={bool(single)}.")
    return " ".join(hints)
