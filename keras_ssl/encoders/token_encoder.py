"""What an encoder offers beyond features: the tokens it is made of, and a pass over some of them."""

from typing import Any, Protocol, runtime_checkable

import keras

from keras_ssl.typing import Tensor


@runtime_checkable
class TokenEncoder(Protocol):
    """An encoder that cuts its input into tokens: `encoder(x) == pool(encode(tokens(x)))`.

    Masked objectives encode the visible tokens only. Of T tokens that stand for parts of the input (patches, columns,
    intervals), `keep` names the visible ones of each sample by their numbers, row by row. Tokens that stand for no part
    (class token, registers) come first, and are always encoded.

    Attributes:
        prefix: number of tokens that stand for no part of the input.
        token_width: width D of a token.
    """

    prefix: int
    token_width: int

    def grid(self, input_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """How the T parts of an input `[N, ...]` lie: (rows, columns) of an image, (columns,) of a table.

        Raises:
            ValueError: if a size is not known.
        """

    def tokens(self, x: Tensor) -> Tensor:
        """The tokens of inputs, with their positions, before the first block: `[N, prefix + T, D]`."""

    def encode(self, tokens: Tensor, keep: Tensor | None = None, training: bool = False) -> Tensor:
        """Tokens after the last block, `[N, prefix + K, D]`; `keep` is int32 `[N, K]`, None (default) keeps all."""

    def pool(self, tokens: Tensor) -> Tensor:
        """Features `[N, F]` of encoded tokens."""


def kept_tokens(tokens: Tensor, prefix: int, keep: Tensor | None) -> Tensor:
    """The first `prefix` tokens, and of the others those that `keep [N, K]` names; None keeps all."""
    if keep is None:
        return tokens
    kept = keras.ops.take_along_axis(tokens[:, prefix:], keep[:, :, None], axis=1)
    return keras.ops.concatenate([tokens[:, :prefix], kept], axis=1) if prefix else kept


def check_token_encoder(encoder: Any, method: str, example: str = "ViT") -> TokenEncoder:
    """The encoder, if it is a `TokenEncoder`; `example` names one for the message.

    Raises:
        ValueError: if it is not; the message names the method that needs one.
    """
    if not isinstance(encoder, TokenEncoder):
        raise ValueError(
            f"`encoder` must be a TokenEncoder for {method}, such as keras_ssl.encoders.{example}. "
            f"Received: {type(encoder).__name__}"
        )
    return encoder
