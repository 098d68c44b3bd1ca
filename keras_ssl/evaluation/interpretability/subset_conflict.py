"""Whether a step on one part of the data helps or harms another part."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor

__all__ = ["subset_conflict"]


def subset_conflict(
    model: keras.Model,
    loss: Any,
    subsets: Sequence[tuple[Tensor, Tensor]],
    normalize: bool = True,
    variables: Sequence[Any] | None = None,
) -> np.ndarray:
    r"""The agreement of the gradients of subsets of the data: negative where they conflict.

    With :math:`g_s` the gradient of the mean loss of subset s by the weights,

    .. math:: c_{st} = \frac{\langle g_s, g_t \rangle}{\lVert g_s \rVert \lVert g_t \rVert}

    or the product alone with `normalize=False`: a small step of gradient descent on s, of step size :math:`\eta`,
    lowers the loss of t by :math:`\eta \langle g_s, g_t \rangle`. A subset agrees with itself. The model is run in
    inference mode, and nothing of it changes.

    Args:
        model: a built Keras model.
        loss: a Keras loss, its name, or a function `(y, outputs)`.
        subsets: `(x, y)` of each subset, all samples as one batch.
        normalize: whether gradients are scaled to unit length. Defaults to True.
        variables: by which to differentiate. Defaults to None: all trainable weights.

    Returns:
        float64 `[S, S]`, symmetric. A gradient of zero agrees with nothing: 0.

    Raises:
        ValueError: if there are no subsets, one is not `(x, y)`, the loss is unknown, or there are no weights.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    >>> one = np.ones((1, 1), "float32")
    >>> subset_conflict(model, "mse", [(one, one), (one, -one)]).round(4).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]

    Reference:
        Liang & Zou, "MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution Shifts and Training
        Conflicts", ICLR 2022 (which shows how each step changes the loss of each subset; the product of gradients is
        that change to first order).
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"`model` must be a built Keras model. Received: model={model!r}")
    variables = list(model.trainable_variables if variables is None else variables)
    if not variables:
        raise ValueError("`variables` must hold at least one. Received: variables=[]")
    if not len(subsets) or any(not isinstance(part, tuple | list) or len(part) != 2 for part in subsets):
        raise ValueError(f"`subsets` must be pairs (x, y). Received: subsets of type {type(subsets).__name__}")
    try:
        known: Callable[..., Tensor] = keras.losses.get(loss)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`loss` must be a Keras loss, its name or a function. Received: loss={loss!r}") from error
    gradients = np.stack([_gradient(model, known, variables, x, y) for x, y in subsets])
    if normalize:
        length = np.linalg.norm(gradients, axis=1, keepdims=True)
        gradients = np.where(length > 0, gradients / np.where(length > 0, length, 1.0), 0.0)
    return gradients @ gradients.T


def _gradient(model: keras.Model, loss: Any, variables: list[Any], x: Any, y: Any) -> np.ndarray:
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    at = [keras.ops.add(keras.ops.convert_to_tensor(variable), 0) for variable in variables]
    _, gradients = backend.value_and_gradients(
        model, lambda: (keras.ops.mean(loss(y, model(x, training=False))), ()), variables, at=at
    )
    parts = [
        np.zeros(int(np.prod(variable.shape))) if part is None else np.ravel(keras.ops.convert_to_numpy(part))
        for variable, part in zip(variables, gradients, strict=True)
    ]
    return np.concatenate(parts).astype(np.float64)
