"""Batch normalization on TensorFlow by its own kernel: one operation forward and one backward."""

import tensorflow as tf

from keras_ssl.typing import Tensor


def alone() -> bool:
    """Whether this is the only replica: the kernel knows nothing of others."""
    context = tf.distribute.get_replica_context()
    return context is None or context.num_replicas_in_sync == 1


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalizes over all axes but the last, in float32, where Keras has dozens of operations over the whole input.

    Args:
        x: float tensor `[..., C]`.
        gamma, beta: float32 `[C]`.
        epsilon: added to the variance.

    Returns:
        `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, and the mean and the biased variance `[C]`, all float32.
    """
    x = tf.cast(x, "float32")
    images = x if len(x.shape) == 4 else tf.reshape(x, [-1, 1, 1, x.shape[-1]])
    # Not `tf.compat.v1.nn.fused_batch_norm`, which raises an epsilon of 1e-5 to 1.001e-5.
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=images,
        scale=gamma,
        offset=beta,
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=epsilon,
        is_training=True,
    )
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), "float32")
    variance *= tf.maximum(count - 1.0, 1.0) / count  # the kernel gives the unbiased one
    if len(x.shape) != 4:
        y = tf.ensure_shape(tf.reshape(y, tf.shape(x)), x.shape)
    return y, mean, variance
