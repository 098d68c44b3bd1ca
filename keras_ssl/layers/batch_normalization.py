"""Batch normalization as the self-supervised papers ran it."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor

fused: Any
if keras.backend.backend() == "jax":
    from keras_ssl.layers import jax_batch_norm as fused
else:
    from keras_ssl.layers import tensorflow_batch_norm as fused


@keras.saving.register_keras_serializable(package="keras_ssl")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization with PyTorch's constants and statistics of the global batch.

    In training, `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with the mean and the biased
    variance over all axes but `axis`; the moving statistics follow with
    `moving = momentum * moving + (1 - momentum) * batch`. In inference the moving statistics take the
    batch's place. The statistics are float32 under every dtype policy of
    less precision.

    It differs from `keras.layers.BatchNormalization` in two ways. The defaults are those with which nearly
    all self-supervised recipes were tuned: momentum 0.9 (PyTorch counts from the other end and says 0.1)
    instead of 0.99, and epsilon 1e-5 instead of 1e-3. And the statistics are always those of the global
    batch: on TensorFlow the layer synchronizes the replicas of a distribution strategy, on JAX arrays are
    global anyway. That choice follows the backend and is not part of the configuration, so a model saved on
    one backend loads on the other.

    Args:
        axis: the axis that holds the channels. Defaults to -1.
        momentum: weight of the past in the moving statistics, in [0, 1]. Defaults to 0.9.
        epsilon: added to the variance before the square root, positive. Defaults to 1e-5.
        center: whether to add the learned `beta`. Defaults to True.
        scale: whether to multiply by the learned `gamma`. Defaults to True.
        **kwargs: the other arguments of `keras.layers.BatchNormalization`, except `synchronized`.

    Raises:
        ValueError: if `momentum` or `epsilon` is out of range.

    Example:

    >>> import numpy as np
    >>> layer = BatchNormalization()
    >>> y = layer(np.random.default_rng(0).normal(5.0, 2.0, (64, 3)).astype("float32"), training=True)
    >>> bool(abs(float(keras.ops.mean(y))) < 1e-5)
    True

    Reference: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015, https://arxiv.org/abs/1502.03167.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(f"`momentum` must lie in [0, 1]. Received: momentum={momentum}")
        check_positive("epsilon", epsilon)
        super().__init__(
            axis=axis,
            momentum=momentum,
            epsilon=epsilon,
            center=center,
            scale=scale,
            # JAX refuses the flag: under its global arrays there is nothing to synchronize.
            synchronized=keras.backend.backend() == "tensorflow",
            **kwargs,
        )

    def add_weight(self, *args: Any, trainable: bool = True, **kwargs: Any) -> Any:
        # Moving statistics take small steps, which half precision rounds away.
        half = not trainable and self.variable_dtype in ("float16", "bfloat16")
        if half and kwargs.get("dtype") is None:
            kwargs["dtype"] = "float32"
        return super().add_weight(*args, trainable=trainable, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if not (training and self.trainable and mask is None and self._fuses(inputs)):
            return super().call(inputs, training=training, mask=mask)
        ops, width = keras.ops, inputs.shape[-1]
        gamma = ops.cast(self.gamma, "float32") if self.scale else ops.ones((width,))
        beta = ops.cast(self.beta, "float32") if self.center else ops.zeros((width,))
        outputs, mean, variance = fused.batch_norm(inputs, gamma, beta, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(ops.cast(moving, "float32") * self.momentum + batch * (1.0 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)

    def _fuses(self, inputs: Tensor) -> bool:
        """Whether the backend's own batch norm, which takes fewer passes over the input, does all that is asked."""
        channels_last = self.axis in (-1, len(inputs.shape) - 1)
        wide = keras.backend.standardize_dtype(inputs.dtype) == "float64"
        return channels_last and not wide and not self.renorm and fused.alone()

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["synchronized"]
        return config


def trained_batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The batch norms in a model, Keras' own among them, that take the statistics of a batch when it trains."""
    layers = model._flatten_layers()
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]
