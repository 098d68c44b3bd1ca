"""The published keys of Swin Transformers: their authors', timm's and OpenMMLab's."""

import re
from collections.abc import Callable, Iterable

import numpy as np

from keras_ssl.checkpoints.other_keys import OTHER_KEYS
from keras_ssl.checkpoints.weight_table import (
    VARIABLES,
    MappedWeight,
    WeightTable,
    conv_kernel,
    dense_kernel,
    unchanged,
)

_LAYER = re.compile(
    r"patch_(embedding|norm)|stage([2-4])_downsample_(norm|dense)"
    r"|stage([1-4])_block(\d+)_(norm1|qkv|attention|projection|norm2|mlp1|mlp2)|norm"
)
_PATCHES = {"embedding": "proj", "norm": "norm"}
_DOWNSAMPLE = {"norm": "norm", "dense": "reduction"}
_PARTS = {
    "norm1": "norm1",
    "qkv": "attn.qkv",
    "projection": "attn.proj",
    "norm2": "norm2",
    "mlp1": "mlp.fc1",
    "mlp2": "mlp.fc2",
}
_BIASES = "attn.relative_position_bias_table"
_OPENMMLAB = (
    (r"patch_embed\.projection\.(.+)", r"patch_embed.proj.\1"),
    (r"stages\.(\d+\.(?:blocks|downsample)\..+)", r"layers.\1"),
    (r"(layers\.\d+\.blocks\.\d+\.attn)\.w_msa\.(.+)", r"\1.\2"),
    (r"(layers\.\d+\.blocks\.\d+)\.ffn\.layers\.0\.0\.(.+)", r"\1.mlp.fc1.\2"),
    (r"(layers\.\d+\.blocks\.\d+)\.ffn\.layers\.1\.(.+)", r"\1.mlp.fc2.\2"),
    (r"norm3\.(.+)", r"norm.\1"),
)
# timm joins places at the beginning of a stage, its authors at the end of the one before.
_TIMM = tuple((rf"layers\.{stage}\.downsample\.(.+)", rf"layers.{stage - 1}.downsample.\1") for stage in (1, 2, 3))
# What follows from sizes; mask tokens, decoders and second heads of SimMIM, iBOT, EsViT and MoBY.
_IGNORED = (
    *OTHER_KEYS,
    r".*\.(relative_position_index|attn_mask)",
    r"mask_token|masked_embed|queue[12]",
    r"(decoder|head_dense|projector_k)\..*",
)


def swin_table(names: Iterable[str], keys: Iterable[str] = (), ignored: tuple[str, ...] = _IGNORED) -> WeightTable:
    """The table of a `keras_ssl.encoders.Swin` whose weights have these names.

    The keys are the authors' (`patch_embed.proj.weight`, `layers.0.blocks.0.attn.qkv.weight`,
    `layers.0.blocks.0.attn.relative_position_bias_table`, `layers.0.downsample.reduction.weight`, `norm.weight`), which
    SimMIM, MoBY, EsViT and iBOT have too. timm's are known as well, whose `downsample` stands in the stage after, and
    OpenMMLab's (`stages.0.blocks.0.attn.w_msa.qkv.weight`, `stages.0.blocks.0.ffn.layers.0.0.weight`), which has the
    channels of 2 x 2 joined places in another order. Which of them a file has, its keys tell.

    Args:
        names: of the encoder's weights, as from `keras_ssl.hub.named_weights`.
        keys: of the file. Defaults to none: the authors'.
        ignored: patterns of keys that a file may hold besides. Defaults to classifiers, heads, decoders and what
            follows from sizes.

    Raises:
        ValueError: if a name is not one of a Swin.

    Example:

    >>> names = ["patch_norm/beta", "stage2_downsample_dense/kernel", "stage3_block6_attention/position_bias"]
    >>> list(swin_table(names).weights)[:2]
    ['patch_embed.norm.bias', 'layers.0.downsample.reduction.weight']

    References: https://github.com/microsoft/Swin-Transformer/blob/main/models/swin_transformer.py,
    https://github.com/open-mmlab/mmpretrain/blob/main/mmpretrain/models/backbones/swin_transformer.py.
    """
    keys = list(keys)
    openmmlab = any(".w_msa." in key for key in keys)
    timm = any(key.endswith("layers.3.downsample.reduction.weight") for key in keys)
    weights = {}
    for name in names:
        layer, _, variable = name.partition("/")
        match = _LAYER.fullmatch(layer)
        part = None if match is None else match[6]
        if match is None or variable not in ({"position_bias"} if part == "attention" else VARIABLES):
            raise ValueError(f"`names` must be those of a Swin's weights. Received: name={name!r}")
        patch, after, between, stage, block, _ = match.groups()
        leaf = VARIABLES.get(variable, "")
        transform: Callable[[np.ndarray], np.ndarray] = dense_kernel if variable == "kernel" else unchanged
        if patch:
            key = f"patch_embed.{_PATCHES[patch]}.{leaf}"
            transform = conv_kernel if variable == "kernel" else unchanged
        elif between:
            key = f"layers.{int(after) - 2}.downsample.{_DOWNSAMPLE[between]}.{leaf}"
            if openmmlab:
                transform = _reordered_kernel if variable == "kernel" else _reordered
        elif part:
            inner = _BIASES if part == "attention" else f"{_PARTS[part]}.{leaf}"
            key = f"layers.{int(stage) - 1}.blocks.{int(block) - 1}.{inner}"
        else:
            key = f"norm.{leaf}"
        weights[key] = MappedWeight(name, transform)
    return WeightTable(weights, ignored, (*_OPENMMLAB, *(_TIMM if timm else ())))


def _reordered(array: np.ndarray) -> np.ndarray:
    """Channels of 2 x 2 joined places, of which each had its four places row by row, by place, column by column.

    The last axis is theirs.
    """
    if array.shape[-1] % 4:
        return array  # which does not fit anyway
    parts = array.reshape(*array.shape[:-1], array.shape[-1] // 4, 2, 2)
    return parts.swapaxes(-1, -3).reshape(array.shape)


def _reordered_kernel(array: np.ndarray) -> np.ndarray:
    return dense_kernel(_reordered(array))
