"""Tokens of images whose hidden patches are replaced by a learned token."""

from typing import Any

import keras

from keras_ssl.typing import Tensor


def check_mask_token_encoder(encoder: Any, method: str) -> Any:
    """The encoder, if a learned token can stand for its patches.

    Raises:
        ValueError: if it has no layers `patch_embedding` and `tokens`; the message names the method.
    """
    names = {layer.name for layer in getattr(encoder, "layers", [])}
    if not {"patch_embedding", "tokens"} <= names or not hasattr(encoder, "encode"):
        raise ValueError(
            f"`encoder` must be a vision transformer for {method}, such as keras_ssl.encoders.ViT. "
            f"Received: {type(encoder).__name__}"
        )
    return encoder


def masked_tokens(encoder: Any, images: Tensor, hidden: Tensor, mask_token: Tensor) -> Tensor:
    """As `encoder.tokens(images)`, with `mask_token` in the place of each hidden patch; positions are added after that.

    Args:
        encoder: a `ViT`.
        images: `[N, H, W, C]`.
        hidden: 1 for hidden patches, else 0; `[N, T]`, row by row.
        mask_token: `[D]`.

    Returns:
        `[N, prefix + T, D]`.
    """
    ops = keras.ops
    patches = encoder.get_layer("patch_embedding")(images)
    weight = ops.cast(ops.reshape(hidden, (-1, *patches.shape[1:3], 1)), patches.dtype)
    replaced = (1.0 - weight) * patches + weight * ops.cast(mask_token, patches.dtype)
    return encoder.get_layer("tokens")(replaced)
