"""The published keys of vision transformers in the layout of timm and DINO."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_ssl.checkpoints.other_keys import OTHER_KEYS
from keras_ssl.checkpoints.weight_table import (
    MappedWeight,
    WeightTable,
    conv_kernel,
    dense_kernel,
    unchanged,
    without_batch,
)

# Tokens in the place of masked patches (DINOv2, MAE; iBOT), MAE's and dBOT's decoder, and the blocks by which Mugs
# compares with a memory.
_IGNORED = (
    *OTHER_KEYS,
    r"mask_token|masked_embed",
    r"decoder(_embed|_blocks|_norm|_predp?)?\..*",
    r"decoder_pos_embed",
    r"relation_blocks\..*",
)
# DINOv2 trains in chunks of blocks: the chunk's number comes first, the block's own stays as it is.
_CHUNKED = (r"blocks\.\d+\.(\d+)\.(.+)", r"blocks.\1.\2")
_TIMM_GATED = ((r"(blocks\.\d+\.mlp)\.fc1\.(.+)", r"\1.w12.\2"), (r"(blocks\.\d+\.mlp)\.fc2\.(.+)", r"\1.w3.\2"))

# OpenMMLab's names.
_OPENMMLAB = (
    (r"patch_embed\.projection\.(.+)", r"patch_embed.proj.\1"),
    (r"layers\.(\d+)\.ln([12])\.(.+)", r"blocks.\1.norm\2.\3"),
    (r"layers\.(\d+)\.attn\.(qkv|proj)\.(.+)", r"blocks.\1.attn.\2.\3"),
    (r"layers\.(\d+)\.ffn\.layers\.0\.0\.(.+)", r"blocks.\1.mlp.fc1.\2"),
    (r"layers\.(\d+)\.ffn\.layers\.1\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    (r"ln1\.(.+)", r"norm.\1"),
)

_FIXED: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "patch_embedding/kernel": ("patch_embed.proj.weight", conv_kernel),
    "patch_embedding/bias": ("patch_embed.proj.bias", unchanged),
    "tokens/class_token": ("cls_token", without_batch),
    "tokens/registers": ("register_tokens", without_batch),
    "tokens/position": ("pos_embed", without_batch),
    "norm/gamma": ("norm.weight", unchanged),
    "norm/beta": ("norm.bias", unchanged),
    # timm's names, but that the query is computed already: see `from_big_vision`.
    "pool/query": ("attn_pool.query", unchanged),
    "pool/key/kernel": ("attn_pool.k.weight", dense_kernel),
    "pool/key/bias": ("attn_pool.k.bias", unchanged),
    "pool/value/kernel": ("attn_pool.v.weight", dense_kernel),
    "pool/value/bias": ("attn_pool.v.bias", unchanged),
    "pool_projection/kernel": ("attn_pool.proj.weight", dense_kernel),
    "pool_projection/bias": ("attn_pool.proj.bias", unchanged),
    "pool_norm/gamma": ("attn_pool.norm.weight", unchanged),
    "pool_norm/beta": ("attn_pool.norm.bias", unchanged),
    "pool_mlp1/kernel": ("attn_pool.mlp.fc1.weight", dense_kernel),
    "pool_mlp1/bias": ("attn_pool.mlp.fc1.bias", unchanged),
    "pool_mlp2/kernel": ("attn_pool.mlp.fc2.weight", dense_kernel),
    "pool_mlp2/bias": ("attn_pool.mlp.fc2.bias", unchanged),
}
_BLOCK = re.compile(r"block(\d+)_(norm[12]|qkv|projection|scale[12]|mlp[12])/(kernel|bias|gamma|beta)")
_PARTS = {
    "norm1": "norm1",
    "qkv": "attn.qkv",
    "projection": "attn.proj",
    "norm2": "norm2",
    "scale1": "ls1",
    "scale2": "ls2",
}
_MLP = {False: {"mlp1": "mlp.fc1", "mlp2": "mlp.fc2"}, True: {"mlp1": "mlp.w12", "mlp2": "mlp.w3"}}


def vit_table(variables: Mapping[str, Any], ignored: tuple[str, ...] = _IGNORED) -> WeightTable:
    """The table of a `keras_ssl.encoders.ViT` that has these weights.

    The keys are those of timm and DINO (`cls_token`, `pos_embed`, `patch_embed.proj.weight`, `blocks.0.norm1.weight`,
    `blocks.0.attn.qkv.weight`, `blocks.0.attn.proj.weight`, `blocks.0.mlp.fc1.weight`, `norm.weight`), and DINOv2's
    (`register_tokens`, `blocks.0.ls1.gamma`, `blocks.0.mlp.w12.weight`, `blocks.0.mlp.w3.weight`). MAE, MoCo v3,
    solo-learn and lightly keep their encoders under them, the fixed positions too, once `state_dict` has taken the
    prefixes away. DINOv2's training files, which number chunks of blocks as well (`blocks.0.3.norm1.weight`), and
    timm's names of a SwiGLU network (`fc1`, `fc2`) are known too, and OpenMMLab's (`layers.0.ln1.weight`,
    `layers.0.ffn.layers.0.0.weight`, `patch_embed.projection.weight`, `ln1.weight`). iBOT, Mugs, dBOT, TIPS and the
    satellite encoders of TorchGeo are under timm's and DINO's.

    I-JEPA's encoders, which have no class token, are under timm's names too. Left out are timm's copies of DINOv2 with
    registers, whose positions have none for the class token that they have.

    Args:
        variables: the encoder's weights by name, as from `keras_ssl.hub.named_weights`. Of the shapes, only those of
            `block1_mlp1` and `block1_mlp2` are used, which tell whether the network is gated.
        ignored: patterns of keys that a file may hold besides. Defaults to classifiers, heads, second encoders,
            queues, decoders and mask tokens.

    Raises:
        ValueError: if a name is not one of a ViT.

    Example:

    >>> variables = {"tokens/class_token": np.zeros((1, 8)), "block1_norm1/gamma": np.zeros(8)}
    >>> list(vit_table(variables).weights)
    ['cls_token', 'blocks.0.norm1.weight']

    References: https://github.com/facebookresearch/dino/blob/main/vision_transformer.py,
    https://github.com/facebookresearch/dinov2/blob/main/dinov2/models/vision_transformer.py.
    """
    gated = _is_gated(variables)
    weights = {}
    for name in variables:
        match = _BLOCK.fullmatch(name)
        if name in _FIXED:
            key, transform = _FIXED[name]
        elif match is not None:
            number, part, variable = match.groups()
            key, transform = block_keys(part, variable, gated)
            key = f"blocks.{int(number) - 1}.{key}"
        else:
            raise ValueError(f"`variables` must be those of a ViT. Received: name={name!r}")
        weights[key] = MappedWeight(name, transform)
    return WeightTable(weights, ignored, (_CHUNKED, *_OPENMMLAB, *(_TIMM_GATED if gated else ())))


def block_keys(part: str, variable: str, gated: bool = False) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """The key of a weight inside its block, and what makes the weight of it.

    Args:
        part: of the block, such as "qkv".
        variable: of the part, such as "kernel".
        gated: whether the block's network is gated. Defaults to False.
    """
    leaf = {"kernel": "weight", "bias": "bias", "beta": "bias"}.get(variable)
    leaf = leaf or ("gamma" if part.startswith("scale") else "weight")
    parts = {**_PARTS, **_MLP[gated]}
    return f"{parts[part]}.{leaf}", dense_kernel if variable == "kernel" else unchanged


def _is_gated(variables: Mapping[str, Any]) -> bool:
    """Whether a block's first layer is twice as wide as what its second takes in: gates and values."""
    first, second = variables.get("block1_mlp1/kernel"), variables.get("block1_mlp2/kernel")
    return first is not None and second is not None and first.shape[1] == 2 * second.shape[0]
