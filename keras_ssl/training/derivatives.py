"""Gradients by inputs, and products with the Hessian, on either backend."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor


def input_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The value of a scalar function of a tensor, and its gradient; nothing else changes.

    Args:
        function: of a floating tensor of the shape of `x`, returns a scalar; it may call Keras models.
        x: where to differentiate, any floating array.

    Returns:
        The value, and the gradient, of the shape of `x`; zeros where the value does not depend on `x`.

    Example:

    >>> value, gradient = input_gradient(lambda x: keras.ops.sum(x**2), np.array([1.0, 2.0], "float32"))
    >>> float(value), keras.ops.convert_to_numpy(gradient).tolist()
    (5.0, [2.0, 4.0])
    """
    x = keras.ops.convert_to_tensor(x)
    place = keras.Variable(keras.ops.zeros_like(x), trainable=False)
    owner = keras.layers.Layer()
    (value, _), gradients = backend.value_and_gradients(
        owner, lambda: (function(keras.ops.convert_to_tensor(place)), ()), [place], at=[x]
    )
    return value, keras.ops.zeros_like(x) if gradients[0] is None else gradients[0]


def hessian_vector_product(
    function: Callable[[], Tensor], model: Any, variables: Sequence[Any], vectors: Sequence[Tensor]
) -> list[Tensor]:
    """`H v`, of the Hessian of a scalar function of a model's variables; H itself is never formed.

    The gradient of `<gradient(function), v>`. What the function assigns (moving statistics) is dropped.

    Args:
        function: returns a scalar.
        model: a Keras model or layer whose variables the function reads.
        variables: by which to differentiate.
        vectors: v, a tensor for each variable, of its shape.

    Returns:
        A tensor for each variable; zeros where the function is linear in it.

    Example:

    >>> layer = keras.layers.Dense(1, use_bias=False)
    >>> layer.build((None, 2))
    >>> square = lambda: keras.ops.sum(layer.kernel**2)
    >>> keras.ops.convert_to_numpy(hessian_vector_product(square, layer, [layer.kernel], [np.ones((2, 1))])[0]).tolist()
    [[2.0], [2.0]]
    """
    ops = keras.ops

    def directional() -> tuple[Tensor, Any]:
        here = [ops.convert_to_tensor(variable) for variable in variables]
        _, gradients = backend.value_and_gradients(model, lambda: (function(), ()), variables, at=here)
        total = ops.zeros((), here[0].dtype)
        for value, gradient, vector in zip(here, gradients, vectors, strict=True):
            # Zero times the value ties the result to each variable: of a linear function, the gradient is a constant.
            total = total + ops.sum(0.0 * value)
            if gradient is not None:
                total = total + ops.sum(gradient * ops.cast(vector, gradient.dtype))
        return total, ()

    at = [ops.add(ops.convert_to_tensor(variable), 0) for variable in variables]
    _, products = backend.value_and_gradients(model, directional, variables, at=at)
    return [ops.zeros_like(value) if product is None else product for value, product in zip(at, products, strict=True)]
