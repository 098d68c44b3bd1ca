"""Batch normalization as the self-supervised papers ran it."""

from typing import Any

import keras

from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization with PyTorch's constants and statistics of the global batch.

    In training, `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with the mean and the biased
    variance over all axes but `axis`; the moving statistics follow with
    `moving = momentum * moving + (1 - momentum) * batch`. In inference the moving statistics take the
    batch's place. The statistics are float32 under every mixed dtype policy.

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
        if not epsilon > 0.0:
            raise ValueError(f"`epsilon` must be positive. Received: epsilon={epsilon}")
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

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if training and self.trainable and mask is None and self._has_fused_kernel(inputs):
            return self._call_fused(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _has_fused_kernel(self, inputs: Tensor) -> bool:
        """Whether TensorFlow's own kernel does all that is asked of this layer here."""
        if keras.backend.backend() != "tensorflow" or self.renorm:
            return False
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        alone = context is None or context.num_replicas_in_sync == 1  # the kernel knows nothing of other replicas
        channels_last = self.axis in (-1, len(inputs.shape) - 1)
        return alone and channels_last and keras.backend.standardize_dtype(inputs.dtype) != "float64"

    def _call_fused(self, inputs: Tensor) -> Tensor:
        """Training in one operation forward and one backward, where Keras has dozens that each pass over the input."""
        import tensorflow as tf

        width = inputs.shape[-1]
        x = tf.cast(inputs, "float32")
        images = x if len(x.shape) == 4 else tf.reshape(x, [-1, 1, 1, width])
        # Not `tf.compat.v1.nn.fused_batch_norm`, which raises an epsilon of 1e-5 to 1.001e-5.
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=images,
            scale=tf.cast(self.gamma, "float32") if self.scale else tf.ones(width),
            offset=tf.cast(self.beta, "float32") if self.center else tf.zeros(width),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), "float32")
        variance *= tf.maximum(count - 1.0, 1.0) / count  # the kernel gives the unbiased one
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(tf.cast(moving, "float32") * self.momentum + batch * (1.0 - self.momentum))
        if len(x.shape) != 4:
            y = tf.ensure_shape(tf.reshape(y, tf.shape(x)), x.shape)
        return tf.cast(y, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["synchronized"]
        return config
