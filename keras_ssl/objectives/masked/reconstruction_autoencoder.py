"""The base of autoencoders whose reconstruction tells the score of the data's density."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.typing import Tensor


class ReconstructionAutoencoder(SSLModel):
    """An encoder and a decoder, `r(x) = decoder(encoder(x))`, with `score(x) = (r(x) - x) / sigma^2`.

    Inputs are those that the encoder is given: preprocessed, where there is preprocessing.

    Args:
        encoder: a built `keras.Model` that maps inputs of a known shape to features `[N, F]`. Without batch
            normalization: it would let r(x) depend on other samples.
        decoder: a built `keras.Model` from features `[N, F]` to inputs, or None (default): dense layers.
        decoder_widths: widths of the hidden layers of the default decoder, with SiLU between them. Defaults to (256,).
        sigma: standard deviation, not negative.
        **kwargs: `views` (default: the inputs as they are), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the decoder does not fit, the shape of inputs is not known, or an argument is out of range.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    stored_as: ClassVar[dict[str, str]] = {"decoder": "given_decoder"}

    def __init__(
        self,
        encoder: keras.Model,
        sigma: float,
        decoder: keras.Model | None = None,
        decoder_widths: Sequence[int] = (256,),
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.sigma = check_number("sigma", sigma, 0.0)
        self.decoder_widths = tuple(check_integer("decoder_widths", width, 1) for width in decoder_widths)
        self._own_decoder = decoder is None
        shape = self._input_sizes()
        self.decoder = _dense_decoder(self.feature_dim, self.decoder_widths, shape) if decoder is None else decoder
        given = self.decoder
        if not isinstance(given, keras.Model) or not given.built:
            raise ValueError(f"`decoder` must be a built keras.Model. Received: decoder={given!r}")
        found = tuple(given.input_shape[1:]), tuple(given.output_shape[1:])
        if found != ((self.feature_dim,), shape):
            raise ValueError(
                f"`decoder` must map features of width {self.feature_dim} to inputs of shape {shape}. "
                f"Received: decoder from {found[0]} to {found[1]}"
            )

    @property
    def given_decoder(self) -> keras.Model | None:
        return None if self._own_decoder else self.decoder

    def _input_sizes(self) -> tuple[int, ...]:
        """Shape of one input of the encoder; a vision transformer of any size tells the one that it is made for."""
        if self.takes_columns:
            raise ValueError(
                f"`encoder` must take one tensor for {type(self).__name__}. Received: {type(self.encoder).__name__}"
            )
        shape = self.encoder_input_shape[1:]
        side = getattr(self.encoder, "image_size", None)
        if side is not None and len(shape) == 3:
            shape = (shape[0] or side, shape[1] or side, shape[2])
        if any(size is None for size in shape):
            raise ValueError(
                "`encoder` must take inputs of a known shape: give it an `input_shape`. "
                f"Received: encoder with input shape {self.encoder_input_shape}"
            )
        return tuple(int(size) for size in shape if size is not None)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return _as_it_is

    def reconstruct(self, x: Tensor, training: bool = False) -> Tensor:
        """r(x), of the shape of the encoder's inputs `x`."""
        return self.decoder(self.encoder(x, training=training), training=training)

    def score(self, x: Tensor) -> Tensor:
        """`(r(x) - x) / sigma^2`, float32: an estimate of the gradient of the log density of the data at `x`.

        Args:
            x: inputs of the encoder, `[N, ...]`.

        Raises:
            ValueError: if `sigma` is 0.
        """
        if not self.sigma:
            raise ValueError(f"The score needs a `sigma` greater than 0. Received: sigma={self.sigma}")
        x = keras.ops.convert_to_tensor(x)
        return (as_float(self.reconstruct(x)) - as_float(x)) / self.sigma**2

    def noise(self, x: Tensor, step: Step) -> Tensor:
        """Standard normal numbers of the shape and type of `x`, a sample's own in each step."""
        drawn = step.stream().normal(tuple(int(size) for size in x.shape[1:]))
        return keras.ops.cast(drawn, x.dtype)


def squared_errors(reconstruction: Tensor, x: Tensor) -> Tensor:
    """The squared distance of each sample, the sum over all its entries: float32 `[N]`."""
    error = keras.ops.square(as_float(reconstruction) - as_float(x))
    return keras.ops.sum(error, axis=tuple(range(1, len(error.shape))))


def _dense_decoder(features: int, widths: Sequence[int], shape: tuple[int, ...]) -> keras.Model:
    layers: list[Any] = [keras.Input((features,))]
    layers += [keras.layers.Dense(width, activation="silu", name=f"dense{n}") for n, width in enumerate(widths, 1)]
    layers += [keras.layers.Dense(math.prod(shape), name="output")]
    if len(shape) > 1:
        layers.append(keras.layers.Reshape(shape, name="shape"))
    return keras.Sequential(layers, name="decoder")


def _as_it_is(x: Tensor, stream: Any) -> list[Tensor]:
    return [x]
