"""The published keys of vision transformers with rotary positions."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from keras_ssl.checkpoints.vit_table import vit_table
from keras_ssl.checkpoints.weight_table import MappedWeight, WeightTable

PERIODS = "rope_embed.periods"
_ROPE = re.compile(r"block(\d+)_rope/frequencies")
_RENAMES = (
    # DINOv3's registers, and timm's copies.
    (r"storage_tokens|reg_token|registers", "register_tokens"),
    (r"(blocks\.\d+)\.gamma_([12])", r"\1.ls\2.gamma"),
    # CAPI.
    (r"patch_embed\.(weight|bias)", r"patch_embed.proj.\1"),
    (r"encoder\.(blocks\.\d+)\.residual([12])\.norm\.(.+)", r"\1.norm\2.\3"),
    (r"encoder\.(blocks\.\d+)\.residual1\.fn\.rope\.freqs", r"\1.rope.freqs"),
    (r"encoder\.(blocks\.\d+)\.residual1\.fn\.(qkv|proj)\.(.+)", r"\1.attn.\2.\3"),
    (r"encoder\.(blocks\.\d+)\.residual2\.fn\.(fc[12])\.(.+)", r"\1.mlp.\2.\3"),
)
# The second class norm is of DINOv3's training on small crops alone; EUPE keeps what maps to its teachers.
_IGNORED = (r"local_cls_norm\..*", r"projectors\..*")
# What stands in several arrays and is one here, in this order.
_PARTS = {
    ".mlp.w12": (".mlp.w1", ".mlp.w2"),
    ".mlp.fc1": (".mlp.fc1_g", ".mlp.fc1_x"),
    ".fn.qkv": (".fn.q_proj", ".fn.k_proj", ".fn.v_proj"),
}


def rotary_vit_table(variables: Mapping[str, Any]) -> WeightTable:
    """The table of a `keras_ssl.encoders.RotaryViT` that has these weights, once `joined_weights` has joined parts.

    The keys are DINOv3's, which LingBot-Vision and EUPE have too: those of DINO, `storage_tokens` and
    `rope_embed.periods`. Known besides are CAPI's (`encoder.blocks.0.residual1.fn.proj.weight`, `registers`) and those
    of timm's copies of DINOv3 (`reg_token`, `blocks.0.gamma_1`).

    Args:
        variables: the encoder's weights by name, as from `keras_ssl.hub.named_weights`.

    Raises:
        ValueError: if a name is not one of a RotaryViT.

    Example:

    >>> variables = {"rope/periods": np.zeros(4), "tokens/registers": np.zeros((4, 8))}
    >>> sorted(rotary_vit_table(variables).weights)
    ['register_tokens', 'rope_embed.periods']

    References: https://github.com/facebookresearch/dinov3/blob/main/dinov3/models/vision_transformer.py,
    https://github.com/facebookresearch/capi/blob/main/model.py.
    """
    rope = {name: _rope_key(name) for name in variables}
    table = vit_table({name: variables[name] for name, key in rope.items() if key is None})
    weights = {**table.weights, **{key: MappedWeight(name) for name, key in rope.items() if key is not None}}
    return replace(table, weights=weights, ignored=(*table.ignored, *_IGNORED), renames=(*_RENAMES, *table.renames))


def joined_weights(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A file's arrays, where those are joined that are one weight here; the others stay as they are.

    - DINOv3 multiplies the bias of queries, keys and values by a mask, which leaves out that of the keys:
      `attn.qkv.bias` and `attn.qkv.bias_mask`. timm keeps `attn.q_bias` and `attn.v_bias` alone.
    - DINOv3's gated networks have `mlp.w1`, the gates, and `mlp.w2` (timm: `mlp.fc1_g`, `mlp.fc1_x`).
    - CAPI has `q_proj`, `k_proj` and `v_proj`.

    Args:
        arrays: of the file, by key.

    Example:

    >>> arrays = {"blocks.0.attn.qkv.bias": np.ones(3), "blocks.0.attn.qkv.bias_mask": np.array([1.0, 0.0, 1.0])}
    >>> joined_weights(arrays)["blocks.0.attn.qkv.bias"].tolist()
    [1.0, 0.0, 1.0]
    """
    made = dict(arrays)
    for key in arrays:
        if key.endswith(".attn.qkv.bias") and f"{key}_mask" in arrays:
            bias, mask = made[key], made[f"{key}_mask"]
            if bias.shape == mask.shape:
                made[key] = (bias * mask).astype(bias.dtype)
                del made[f"{key}_mask"]
        elif key.endswith(".attn.q_bias"):
            block = key.removesuffix("q_bias")
            query, value = made[key], arrays.get(f"{block}v_bias")
            if value is not None and value.shape == query.shape:
                made[f"{block}qkv.bias"] = np.concatenate([query, np.zeros_like(query), value])
                del made[key], made[f"{block}v_bias"]
        else:
            _join_parts(made, key)
    return made


def _join_parts(made: dict[str, np.ndarray], key: str) -> None:
    """Joins the parts of which `key` is the first, if all are there and fit."""
    owner, _, leaf = key.rpartition(".")
    for whole, parts in _PARTS.items():
        if owner.endswith(parts[0]):
            keys = [f"{owner.removesuffix(parts[0])}{part}.{leaf}" for part in parts]
            found = [made.get(part) for part in keys]
            fitting = [array for array in found if array is not None and array.ndim and array.shape == made[key].shape]
            if len(fitting) == len(keys):
                made[f"{owner.removesuffix(parts[0])}{whole}.{leaf}"] = np.concatenate(fitting)
                for part in keys:
                    del made[part]


def _rope_key(name: str) -> str | None:
    match = _ROPE.fullmatch(name)
    if match is not None:
        return f"blocks.{int(match[1]) - 1}.rope.freqs"
    return PERIODS if name == "rope/periods" else None
