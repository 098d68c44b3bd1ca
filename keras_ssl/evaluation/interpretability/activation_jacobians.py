"""Jacobians of a function of activations, sample by sample."""

from collections.abc import Callable

import keras
import numpy as np

from keras_ssl.evaluation.validation import as_features
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training.derivatives import input_gradient
from keras_ssl.typing import Tensor

__all__ = ["activation_jacobians"]


def activation_jacobians(
    function: Callable[[Tensor], Tensor], activations: Tensor, steps: int | None = None
) -> np.ndarray:
    r"""The Jacobian of a function of activations at each sample, for `interaction_basis`.

    With `steps` it is the mean along the line from 0 to the activations, at the midpoints of `steps` parts of it:
    :math:`\int_0^1 J(\alpha f) \, d\alpha`. Times the activations, that integral is `g(f) - g(0)`, exactly (integrated
    gradients).

    Args:
        function: maps activations `[N, D]` to outputs `[N, K]`, each row by itself; a Keras model or any function of
            `keras.ops`.
        activations: `[N, D]`.
        steps: points on the line. Defaults to None: the Jacobian at the activations themselves.

    Returns:
        float32 `[N, K, D]`.

    Raises:
        ValueError: if activations are not finite numbers `[N, D]`, the outputs are not `[N, K]`, or `steps` is not
            positive.

    Example:

    >>> activation_jacobians(lambda f: f**2, [[1.0, 3.0]]).tolist()
    [[[2.0, 0.0], [0.0, 6.0]]]

    Reference:
        Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017; Bushnaq et al., "Using Degeneracy in
        the Loss Landscape for Mechanistic Interpretability", 2024.
    """
    f = as_features("activations", activations).astype("float32")
    shares = [1.0] if steps is None else (np.arange(check_integer("steps", steps, 1)) + 0.5) / steps
    shape = tuple(function(keras.ops.convert_to_tensor(f)).shape)
    if len(shape) != 2 or shape[0] != len(f):
        raise ValueError(f"`function` must map activations [N, D] to [N, K]. Received: function with output {shape}")
    total = np.zeros((len(f), shape[1], f.shape[1]), "float32")
    for share in shares:
        for output in range(shape[1]):
            # Rows do not depend on each other, so the gradient of the sum has each row's own.
            _, gradient = input_gradient(
                lambda x, k=output: keras.ops.sum(function(x)[:, k]),  # type: ignore[misc]
                (share * f).astype("float32"),
            )
            total[:, output] += keras.ops.convert_to_numpy(gradient) / len(shares)
    return total
