"""A factor that rises from 0 to 1 at the start of training."""

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["ramp_up"]


def ramp_up(count: Tensor, steps: int, shape: str = "linear") -> Tensor:
    """A factor in [0, 1] that rises over the first `steps` updates and then stays at 1.

    With `t = min(count / steps, 1)` it is `t` ("linear") or `exp(-5 (1 - t)^2)` ("sigmoid", which starts at 0.0067).
    The weight of an unsupervised loss often begins so: early predictions are worth little.

    Args:
        count: number of updates made so far, a scalar.
        steps: length of the rise in updates; 0 gives 1 from the start.
        shape: "linear" (default) or "sigmoid".

    Returns:
        A float32 scalar.

    Raises:
        ValueError: if `steps` is no integer of at least 0 or `shape` is unknown.

    Example:

    >>> [round(float(ramp_up(count, 10)), 3) for count in (0, 5, 20)]
    [0.0, 0.5, 1.0]

    Reference: Laine and Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017.
    """
    check_integer("steps", steps, 0)
    if shape not in ("linear", "sigmoid"):
        raise ValueError(f'`shape` must be "linear" or "sigmoid". Received: shape={shape!r}')
    ops = keras.ops
    if steps == 0:
        return ops.ones((), "float32")
    share = ops.clip(ops.cast(count, "float32") / float(steps), 0.0, 1.0)
    return share if shape == "linear" else ops.exp(-5.0 * ops.square(1.0 - share))
