"""The momentum of an EMA teacher: a cosine from a base value to a final one."""

import math

import keras

from keras_ssl.typing import Tensor


def cosine_momentum(step: Tensor, total_steps: Tensor, base: float = 0.996, final: float = 1.0) -> Tensor:
    """EMA momentum at a step, rising along half a cosine from `base` to `final`.

        tau(k) = final - (final - base) * (1 + cos(pi * min(k / K, 1))) / 2

    With `final=1.0` it is BYOL's `1 - (1 - base) * (cos(pi k / K) + 1) / 2`. It is made of `keras.ops`, so
    `step` and `total_steps` may be variables or traced tensors inside a compiled step. A `total_steps` of 0
    means that the length of the run is not known: the momentum is then `base` throughout.

    Args:
        step: scalar k, at least 0: the number of optimizer updates made so far.
        total_steps: scalar K, at least 0: the number of updates of the whole run.
        base: the momentum at step 0, in [0, 1]. Defaults to 0.996, BYOL's for a batch of 4096.
        final: the momentum at step K and after, in [0, 1]. Defaults to 1.0: the teacher comes to rest.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `base` or `final` lies outside [0, 1].

    Example:

    >>> [round(float(cosine_momentum(k, 100, base=0.98)), 4) for k in (0, 50, 100, 150)]
    [0.98, 0.99, 1.0, 1.0]

    Reference: Grill et al., "Bootstrap your own latent: a new approach to self-supervised learning", NeurIPS
    2020, https://arxiv.org/abs/2006.07733.
    """
    if not 0.0 <= base <= 1.0:
        raise ValueError(f"`base` must lie in [0, 1]. Received: base={base}")
    if not 0.0 <= final <= 1.0:
        raise ValueError(f"`final` must lie in [0, 1]. Received: final={final}")
    ops = keras.ops
    step, total_steps = ops.cast(step, "float32"), ops.cast(total_steps, "float32")
    progress = ops.minimum(step / ops.maximum(total_steps, 1.0), 1.0)
    progress = ops.where(total_steps > 0.0, progress, 0.0)
    return final - (final - base) * 0.5 * (1.0 + ops.cos(math.pi * progress))
