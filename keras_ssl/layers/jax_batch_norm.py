"""Batch normalization on JAX in as few passes over the images as there need be."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def alone() -> bool:
    """Whether the statistics are those of the whole batch: JAX's arrays are global."""
    return True


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """Normalizes over all axes but the last; computes in float32.

    `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`. On an accelerator it is memory that takes the time, so
    the statistics come out of one pass, and the derivative is written out: that of a mean and a variance one by one
    would read everything once more. The gradient takes the statistics that are returned for constants.

    Args:
        x: float tensor `[..., C]`.
        gamma, beta: float32 `[C]`.
        epsilon: added to the variance.

    Returns:
        `y` of the type of `x`, and the mean and the biased variance, float32 `[C]`.
    """
    return _forward(x, gamma, beta, epsilon)[0]


def _forward(x: Array, gamma: Array, beta: Array, epsilon: float) -> tuple[tuple[Array, Array, Array], Any]:
    wide = x.astype(jnp.float32)
    axes = tuple(range(x.ndim - 1))
    # Squares are taken about a value from among the numbers: about 0 they would cancel where the mean is large.
    near = jax.lax.stop_gradient(jnp.mean(wide[:1], axis=axes))
    offset = jnp.mean(wide - near, axis=axes)
    variance = jnp.maximum(jnp.mean(jnp.square(wide - near), axis=axes) - jnp.square(offset), 0.0)
    mean = near + offset
    inverse = jax.lax.rsqrt(variance + epsilon)
    y = (wide - mean) * (inverse * gamma) + beta
    return (y.astype(x.dtype), mean, variance), (x, gamma, mean, inverse)


def _backward(epsilon: float, kept: Any, gradients: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    x, gamma, mean, inverse = kept
    axes = tuple(range(x.ndim - 1))
    dy = gradients[0].astype(jnp.float32)
    normal = (x.astype(jnp.float32) - mean) * inverse
    d_beta, d_gamma = jnp.sum(dy, axis=axes), jnp.sum(dy * normal, axis=axes)
    count = x.size // x.shape[-1]
    dx = (dy - d_beta / count - normal * (d_gamma / count)) * (inverse * gamma)
    return dx.astype(x.dtype), d_gamma, d_beta


batch_norm.defvjp(_forward, _backward)
