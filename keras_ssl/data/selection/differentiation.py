"""Models as functions of their weights, and gradients that can themselves be differentiated, on either backend."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_ssl.typing import Tensor


def apply(model: keras.Model, variables: Sequence[Any], values: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """Outputs of a model with other values in the place of some of its variables, as in inference."""
    with keras.StatelessScope(list(zip(variables, values, strict=True))):
        return model(inputs, training=False)


def value_and_gradients(
    function: Callable[[list[Tensor]], Tensor], values: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """A scalar function of tensors and its gradients; both may be differentiated again.

    Args:
        function: takes the list of tensors.
        values: floating-point tensors.

    Returns:
        The value, and one gradient for each tensor; zeros where the value does not depend on it.
    """
    values = list(values)
    if keras.backend.backend() == "jax":
        import jax

        return jax.value_and_grad(function)(values)
    import tensorflow as tf

    values = [tf.convert_to_tensor(value) for value in values]  # of a variable's value, too
    with tf.GradientTape() as tape:
        tape.watch(values)
        value = function(values)
    return value, tape.gradient(value, values, unconnected_gradients="zero")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a program of the backend."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, autograph=False, reduce_retracing=True)
