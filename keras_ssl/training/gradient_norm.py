"""The length of a step's gradient, which every step logs."""

from collections.abc import Sequence

import keras

from keras_ssl.typing import Tensor


def gradient_norm(optimizer: keras.optimizers.Optimizer, gradients: Sequence[Tensor | None]) -> Tensor:
    r"""The Euclidean norm of all gradients together, `sqrt(sum_i |g_i|^2)`, as they are before the optimizer clips.

    It reads the gradients that the step has anyway: there is no second backward pass, and nothing of the step
    changes. What `optimizer.scale_loss` multiplied the loss by is divided out. Where gradients are accumulated, it is
    that of the micro-batch.

    Args:
        optimizer: the one that scaled the loss, before it applies the gradients.
        gradients: one tensor for each variable, None where a variable has none.

    Returns:
        A float32 scalar. 0 without gradients, and where loss scaling will skip the step, because a gradient
        overflowed and moves nothing.

    Example:

    >>> gradients = [keras.ops.ones((3, 3)), None, keras.ops.zeros(2)]
    >>> float(gradient_norm(keras.optimizers.SGD(), gradients))
    3.0
    """
    ops = keras.ops
    scale = ops.cast(optimizer.scale_loss(ops.ones((), "float32")), "float32")
    present = [ops.cast(ops.convert_to_tensor(g), "float32") for g in gradients if g is not None]
    # Divided before it is squared: the gradient of a scaled loss may be finite and its square not.
    norm = ops.sqrt(sum((ops.sum(ops.square(g / scale)) for g in present), ops.zeros((), "float32")))
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        norm = ops.where(ops.isfinite(norm), norm, ops.zeros_like(norm))
    return norm
