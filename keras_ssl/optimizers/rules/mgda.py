"""The shortest convex combination of the gradients of several tasks."""

import keras

from keras_ssl.optimizers.rules.simplex import check_gradients, pairwise_minimum, products
from keras_ssl.typing import Tensor

__all__ = ["mgda", "min_norm_weights"]


def min_norm_weights(gradients: Tensor) -> Tensor:
    """The convex weights of the shortest combination: `argmin ||sum_i w_i g_i||`, `w_i >= 0`, `sum_i w_i = 1`.

    For two gradients `w_1 = clip(g_2 . (g_2 - g_1) / ||g_1 - g_2||^2, 0, 1)`. Where several weights give the same
    vector, such as for equal gradients, one of them is returned.

    Args:
        gradients: `[T, P]`, T known when it is traced.

    Returns:
        `[T]`, float32.

    Raises:
        ValueError: if `gradients` is no matrix.

    Example:

    >>> weights = min_norm_weights(np.array([[1.0, 0.0], [0.0, 2.0]]))
    >>> keras.ops.convert_to_numpy(weights).astype("float64").round(4).tolist()
    [0.8, 0.2]
    """
    ops = keras.ops
    gradients = check_gradients(gradients)
    gram, _ = products(gradients)

    def length(weights: Tensor, direction: Tensor) -> Tensor:
        turned = ops.matmul(gram, direction)
        # Of nearly equal gradients rounding may leave no curvature: then as far as weights allow.
        return -ops.sum(weights * turned) / ops.maximum(ops.sum(direction * turned), 1e-12)

    return pairwise_minimum(int(gradients.shape[0]), lambda w: ops.matmul(gram, w), length, gram[0])


def mgda(gradients: Tensor) -> Tensor:
    """The multiple gradient descent algorithm: the shortest vector in the convex hull of the gradients.

    `sum_i w_i g_i` with the weights of `min_norm_weights`. A step against it increases no task's loss to first order:
    its inner product with every gradient is at least its own square. It is 0 where no direction helps all tasks.

    Args:
        gradients: one flat gradient for each task, `[T, P]`, T known when it is traced.

    Returns:
        `[P]`, float32.

    Raises:
        ValueError: if `gradients` is no matrix.

    Example:

    >>> keras.ops.convert_to_numpy(mgda(np.array([[1.0, 0.0], [0.0, 2.0]]))).astype("float64").round(4).tolist()
    [0.8, 0.4]

    Reference: Desideri, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization", Comptes Rendus
    2012; Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018.
    """
    return keras.ops.matmul(min_norm_weights(gradients), check_gradients(gradients))
