"""Tokens of images whose hidden patches are replaced by a learned token."""

from typing import Any

import keras

from keras_ssl.encoders.swin import Swin
from keras_ssl.typing import Tensor


def check_mask_token_encoder(encoder: Any, method: str, maps: bool = False) -> Any:
    """The encoder, if a learned token can stand for its patches.

    Args:
        encoder: the encoder.
        method: the method that needs it, for the message.
        maps: whether a `Swin` will do, too, whose last map is coarser than its patches. Defaults to False.

    Raises:
        ValueError: if it has no layers `patch_embedding` and `tokens`; the message names the method.
    """
    if maps and isinstance(encoder, Swin):
        return encoder
    names = {layer.name for layer in getattr(encoder, "layers", [])}
    if not {"patch_embedding", "tokens"} <= names or not hasattr(encoder, "encode"):
        raise ValueError(
            f"`encoder` must be a vision transformer for {method}, such as keras_ssl.encoders.ViT"
            f"{' or Swin' if maps else ''}. Received: {type(encoder).__name__}"
        )
    return encoder


def masked_tokens(encoder: Any, images: Tensor, hidden: Tensor, mask_token: Tensor) -> Tensor:
    """What `encoder.encode` takes, with `mask_token` in the place of each hidden patch; positions are added after that.

    Args:
        encoder: a `ViT`, or a `Swin`, whose places of the last map are hidden with all patches that they stand for.
        images: `[N, H, W, C]`.
        hidden: 1 for hidden patches (or places), else 0; `[N, T]`, row by row, of `encoder.grid(images.shape)`.
        mask_token: `[D]`.

    Returns:
        `[N, prefix + T, D]`; of a `Swin` the map `[N, H', W', D]` after `patch_norm`.
    """
    ops = keras.ops
    patches = encoder.get_layer("patch_embedding")(images)
    is_map = isinstance(encoder, Swin)
    rows, columns = encoder.grid(images.shape) if is_map else patches.shape[1:3]
    weight = ops.cast(ops.reshape(hidden, (-1, rows, columns, 1)), patches.dtype)
    if is_map:
        patches = encoder.get_layer("patch_norm")(patches)
        times = patches.shape[1] // rows
        weight = ops.repeat(ops.repeat(weight, times, axis=1), times, axis=2)
    replaced = (1.0 - weight) * patches + weight * ops.cast(mask_token, patches.dtype)
    return replaced if is_map else encoder.get_layer("tokens")(replaced)
