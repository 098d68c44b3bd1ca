"""A model as a function of its weights."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor


def apply(
    model: Callable[..., Any],
    variables: Sequence[keras.Variable],
    values: Sequence[Tensor],
    *inputs: Any,
    **options: Any,
) -> Any:
    """Calls a model with other values in the place of some of its variables; nothing of it changes.

    Gradients flow through the values. What the call would assign (moving statistics) is dropped.

    Args:
        model: a Keras model or layer, or a function that calls some.
        variables: whose values are replaced.
        values: one tensor for each variable, of its shape.
        *inputs: of the call.
        **options: of the call, such as `training=True`.

    Raises:
        ValueError: if the numbers of variables and values differ.

    Example:

    >>> layer = keras.layers.Dense(1, use_bias=False)
    >>> layer.build((None, 2))
    >>> float(apply(layer, layer.variables, [keras.ops.ones((2, 1))], keras.ops.array([[2.0, 3.0]]))[0, 0])
    5.0
    """
    if len(variables) != len(values):
        raise ValueError(
            f"There must be one value for each variable. Received: {len(variables)} variables, {len(values)} values"
        )
    with keras.StatelessScope(list(zip(variables, values, strict=True))):
        return model(*inputs, **options)


def value_and_gradients(
    function: Callable[[], Tensor], model: keras.Model, variables: Sequence[keras.Variable] | None = None
) -> tuple[Tensor, list[Tensor | None]]:
    """A scalar function of a model's variables and its gradients, on either backend.

    State that the function assigns (moving statistics) is kept.

    Args:
        function: returns a scalar.
        model: whose variables the function reads.
        variables: for which to differentiate. Defaults to None: the trainable ones.

    Returns:
        The value, and one tensor or None for each variable.
    """
    variables = model.trainable_variables if variables is None else list(variables)
    (value, _), gradients = backend.value_and_gradients(model, lambda: (function(), ()), variables)
    return value, gradients
