"""The projectors and predictors of the joint-embedding objectives."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

_ACTIVATIONS = ("relu", "gelu")
_OUTPUT_NORMS = (None, "affine", "scale", "plain")


@keras.saving.register_keras_serializable(package="keras_ssl")
class MLPHead(Configured, keras.layers.Layer):
    """A multilayer perceptron on features `[N, F]`: Dense - (batch norm) - activation, repeated, and a last Dense.

    Args:
        widths: width of each Dense layer; the last one is the embedding's dimension.
        batch_norm: batch normalization between each hidden Dense and its ReLU. Defaults to True.
        hidden_bias: bias of the hidden Dense layers; None (default) gives them one where no batch norm follows.
        output_bias: bias of the last Dense layer. Defaults to False.
        output_norm: batch norm after the last Dense: None (default), "affine" (scale and shift), "scale" (no shift)
            or "plain" (neither).
        activation: of the hidden layers: "relu" (default) or "gelu".

    Input: `[N, F]`. Output: `[N, widths[-1]]`.

    Raises:
        ValueError: if `widths` is empty or holds a non-positive number, or `output_norm` or `activation` is unknown.

    Example:

    >>> head = MLPHead((16, 8))
    >>> head.build((None, 4))
    >>> head.compute_output_shape((2, 4))
    (2, 8)
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        batch_norm: bool = True,
        hidden_bias: bool | None = None,
        output_bias: bool = False,
        output_norm: str | None = None,
        activation: str = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        widths = tuple(np.atleast_1d(widths).tolist())
        if not widths or any(not isinstance(width, int) or width < 1 for width in widths):
            raise ValueError(f"`widths` must hold at least one positive integer. Received: widths={widths}")
        if output_norm not in _OUTPUT_NORMS:
            raise ValueError(f"`output_norm` must be one of {_OUTPUT_NORMS}. Received: output_norm={output_norm!r}")
        if activation not in _ACTIVATIONS:
            raise ValueError(f"`activation` must be one of {_ACTIVATIONS}. Received: activation={activation!r}")
        self.activation = activation
        self.widths = widths
        self.batch_norm = batch_norm
        self.hidden_bias = hidden_bias
        self.output_bias = output_bias
        self.output_norm = output_norm
        bias = not batch_norm if hidden_bias is None else hidden_bias
        kinds: dict[str, Callable[..., keras.layers.Layer]] = {
            "relu": keras.layers.ReLU,
            "gelu": partial(keras.layers.Activation, "gelu"),
        }
        steps: list[keras.layers.Layer] = []
        for number, width in enumerate(self.widths[:-1], start=1):
            steps.append(keras.layers.Dense(width, use_bias=bias, dtype=self.dtype_policy, name=f"dense{number}"))
            if batch_norm:
                steps.append(BatchNormalization(dtype=self.dtype_policy, name=f"norm{number}"))
            steps.append(kinds[activation](dtype=self.dtype_policy, name=f"{activation}{number}"))
        steps.append(keras.layers.Dense(self.widths[-1], use_bias=output_bias, dtype=self.dtype_policy, name="output"))
        if output_norm is not None:
            steps.append(
                BatchNormalization(
                    center=output_norm == "affine",
                    scale=output_norm != "plain",
                    dtype=self.dtype_policy,
                    name="output_norm",
                )
            )
        self.steps = steps

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for step in self.steps:
            step.build(input_shape)
            input_shape = step.compute_output_shape(input_shape)

    def call(self, features: Tensor, training: bool = False) -> Tensor:
        for step in self.steps:
            features = step(features, training=training) if isinstance(step, BatchNormalization) else step(features)
        return features

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.widths[-1])
