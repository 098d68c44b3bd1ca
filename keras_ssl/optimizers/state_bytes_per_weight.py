"""How much memory an optimizer takes."""

import math

import keras

from keras_ssl.precision import variable_bytes

__all__ = ["state_bytes_per_weight"]


def state_bytes_per_weight(optimizer: keras.optimizers.Optimizer) -> float:
    """Bytes of an optimizer's state for each weight that it trains.

    All variables of the optimizer count but the number of steps and the learning rate: moments, indices, copies of the
    weights. AdamW in float32 takes 8. Constants that are no variables, such as a basis, do not count.

    Args:
        optimizer: a built Keras optimizer.

    Raises:
        ValueError: if the optimizer is not built.

    Example:

    >>> adam = keras.optimizers.AdamW()
    >>> adam.build([keras.Variable(keras.ops.zeros((10, 3)))])
    >>> state_bytes_per_weight(adam)
    8.0
    """
    if not optimizer.built:
        raise ValueError(f"`optimizer` must be built. Received: optimizer={optimizer!r}")
    apart = {id(optimizer._iterations), id(optimizer._learning_rate)}
    state = [variable for variable in optimizer.variables if id(variable) not in apart]
    return variable_bytes(state) / sum(math.prod(variable.shape) for variable in optimizer._trainable_variables)
