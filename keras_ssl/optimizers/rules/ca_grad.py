"""The direction near the mean gradient that helps the worst task most."""

import keras

from keras_ssl.optimizers.arguments import check_interval
from keras_ssl.optimizers.rules.simplex import check_gradients, pairwise_minimum, products
from keras_ssl.typing import Tensor

__all__ = ["ca_grad"]


def ca_grad(gradients: Tensor, c: float = 0.5, rescale: bool = False) -> Tensor:
    """Conflict-averse gradient descent.

    With the mean `g_0` of the gradients, `max_d min_i g_i . d` over `||d - g_0|| <= c ||g_0||`. Its solution is

        d = g_0 + c ||g_0|| g_w / ||g_w||,   g_w = sum_i w_i g_i

    with the convex weights `w` that minimize `g_w . g_0 + c ||g_0|| ||g_w||`. With `c = 0` it is the mean. Where `g_w`
    is 0, so is the second part.

    Args:
        gradients: one flat gradient for each task, `[T, P]`, T known when it is traced.
        c: how far from the mean, at least 0; the method converges to a minimum of the mean loss below 1. Defaults to
            0.5.
        rescale: whether to divide by `1 + c`, so that a single task's gradient stays as it is. Defaults to False, the
            paper's; the authors' code divides by `1 + c^2`.

    Returns:
        `[P]`, float32.

    Raises:
        ValueError: if `gradients` is no matrix, or `c` is out of range.

    Example:

    >>> keras.ops.convert_to_numpy(ca_grad(np.array([[1.0, 0.0], [0.0, 1.0]]))).astype("float64").round(4).tolist()
    [0.75, 0.75]

    Reference: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021.
    """
    ops = keras.ops
    c = check_interval("c", c, "[0, inf)")
    gradients = check_gradients(gradients)
    count = int(gradients.shape[0])
    mean = ops.mean(gradients, axis=0)
    gram, largest = products(gradients)
    with_mean = ops.mean(gram, axis=1)  # g_i . g_0
    radius = c * ops.sqrt(ops.maximum(ops.mean(with_mean), 0.0))  # c ||g_0||

    def norm(square: Tensor) -> Tensor:
        return ops.sqrt(ops.maximum(square, 1e-20))

    def slope(weights: Tensor) -> Tensor:
        turned = ops.matmul(gram, weights)
        return with_mean + radius * turned / norm(ops.sum(weights * turned))

    def length(weights: Tensor, direction: Tensor) -> Tensor:
        # On the line the function is b t + radius * sqrt(a t^2 + 2 h t + k).
        turned = ops.matmul(gram, direction)
        a, h = ops.sum(direction * turned), ops.sum(weights * turned)
        k, b = ops.sum(weights * ops.matmul(gram, weights)), ops.sum(direction * with_mean)
        curved = ops.logical_and(a > 1e-12, radius > 0.0)
        a = ops.where(curved, a, ops.ones_like(a))
        sine = -b / ops.where(curved, radius * ops.sqrt(a), ops.ones_like(a))
        inside = ops.logical_and(curved, ops.absolute(sine) < 1.0)
        cosine = ops.sqrt(ops.where(inside, 1.0 - ops.square(sine), ops.ones_like(sine)))
        best = sine / cosine * ops.sqrt(ops.maximum(k / a - ops.square(h / a), 0.0)) - h / a
        # Otherwise the function falls all the way, or rises.
        return ops.where(inside, best, ops.where(b < 0.0, ops.ones_like(best), ops.zeros_like(best)))

    weights = pairwise_minimum(count, slope, length, gram[0])
    square = ops.sum(weights * ops.matmul(gram, weights))
    defined = square > 1e-14
    factor = ops.where(defined, radius / ops.sqrt(ops.where(defined, square, ops.ones_like(square))), 0.0)
    direction = mean + factor * ops.matmul(weights, gradients)
    return direction / (1.0 + c) if rescale else direction
