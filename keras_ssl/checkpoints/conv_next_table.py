"""The published keys of ConvNeXts, in their authors' layout and timm's."""

import re
from collections.abc import Callable, Iterable

import numpy as np

from keras_ssl.checkpoints.other_keys import OTHER_KEYS
from keras_ssl.checkpoints.weight_table import VARIABLES, MappedWeight, WeightTable, conv_kernel, unchanged

_LAYER = re.compile(r"stem_(conv|norm)|stage([2-4])_downsample_(conv|norm)|stage([1-4])_block(\d+)_(\w+)|norm")
_PARTS = {"conv": "dwconv", "norm": "norm", "mlp1": "pwconv1", "mlp2": "pwconv2", "grn": "grn", "scale": ""}
_TIMM = (
    (r"stem\.([01]\..+)", r"downsample_layers.0.\1"),
    (r"stages\.(\d+)\.downsample\.(.+)", r"downsample_layers.\1.\2"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.(.+)", r"stages.\1.\2.\3"),
    (r"(stages\.\d+\.\d+)\.conv_dw\.(.+)", r"\1.dwconv.\2"),
    (r"(stages\.\d+\.\d+)\.mlp\.fc([12]\..+)", r"\1.pwconv\2"),
    (r"(stages\.\d+\.\d+)\.mlp\.grn\.weight", r"\1.grn.gamma"),
    (r"(stages\.\d+\.\d+)\.mlp\.grn\.bias", r"\1.grn.beta"),
    (r"head\.norm\.(.+)", r"norm.\1"),
)
# FCMAE's decoder; DINOv3's second name of the last norm; what EUPE maps to its teachers.
_IGNORED = (*OTHER_KEYS, r"mask_token", r"(decoder|proj|pred)\..*", r"norms\..*", r"projectors\..*")


def conv_next_table(names: Iterable[str], ignored: tuple[str, ...] = _IGNORED) -> WeightTable:
    """The table of a `keras_ssl.encoders.ConvNeXt` whose weights have these names.

    The keys are the authors' (`downsample_layers.0.0.weight`, `stages.0.0.dwconv.weight`, `stages.0.0.pwconv1.weight`,
    `stages.0.0.gamma`, `stages.0.0.grn.gamma`, `norm.weight`), which DINOv3 and EUPE have too. timm's are known as well
    (`stem.0.weight`, `stages.0.blocks.0.conv_dw.weight`, `stages.0.blocks.0.mlp.fc1.weight`, `head.norm.weight`), its
    linear layers as 1x1 convolutions too.

    Args:
        names: of the encoder's weights, as from `keras_ssl.hub.named_weights`.
        ignored: patterns of keys that a file may hold besides. Defaults to classifiers, heads and decoders.

    Raises:
        ValueError: if a name is not one of a ConvNeXt.

    Example:

    >>> list(conv_next_table(["stem_norm/beta", "stage1_block1_conv/kernel", "stage3_block2_scale/gamma"]).weights)
    ['downsample_layers.0.1.bias', 'stages.0.0.dwconv.weight', 'stages.2.1.gamma']

    References: https://github.com/facebookresearch/ConvNeXt/blob/main/models/convnext.py,
    https://github.com/facebookresearch/ConvNeXt-V2/blob/main/models/convnextv2.py.
    """
    weights = {}
    for name in names:
        layer, _, variable = name.partition("/")
        match = _LAYER.fullmatch(layer)
        if match is None or variable not in VARIABLES or (match[6] is not None and match[6] not in _PARTS):
            raise ValueError(f"`names` must be those of a ConvNeXt's weights. Received: name={name!r}")
        stem, stage, between, own, block, part = match.groups()
        leaf = VARIABLES[variable]
        transform: Callable[[np.ndarray], np.ndarray] = conv_kernel if variable == "kernel" else unchanged
        if stem:
            key = f"downsample_layers.0.{('conv', 'norm').index(stem)}.{leaf}"
        elif between:
            key = f"downsample_layers.{int(stage) - 1}.{('norm', 'conv').index(between)}.{leaf}"
        elif part:
            inner, transform = _of_block(part, variable, leaf)
            key = f"stages.{int(own) - 1}.{int(block) - 1}.{inner}"
        else:
            key = f"norm.{leaf}"
        weights[key] = MappedWeight(name, transform)
    return WeightTable(weights, ignored, _TIMM)


def _of_block(part: str, variable: str, leaf: str) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """The key of a weight inside its block, and what makes the weight of it."""
    if part == "scale":
        return "gamma", unchanged
    if part == "grn":
        return f"grn.{variable}", _flat
    kernel: Callable[[np.ndarray], np.ndarray] = _each_channel if part == "conv" else _pointwise
    return f"{_PARTS[part]}.{leaf}", kernel if variable == "kernel" else unchanged


def _flat(array: np.ndarray) -> np.ndarray:
    """Without axes of length 1, which the authors' files have before the channels."""
    return array.reshape(array.shape[-1:])


def _each_channel(array: np.ndarray) -> np.ndarray:
    """PyTorch's kernel `[C, 1, height, width]` of one convolution per channel as `[height, width, C, 1]`."""
    return array.transpose(2, 3, 0, 1)


def _pointwise(array: np.ndarray) -> np.ndarray:
    """A linear layer's weight `[out, in]`, or that of a 1x1 convolution, as `[in, out]`."""
    return array.reshape(array.shape[:2]).transpose(1, 0) if array.shape[2:] in ((), (1, 1)) else array
