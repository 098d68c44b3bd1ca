"""The tangent kernel of a network: which samples a gradient step on one sample moves along."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.training.backends import backend

__all__ = ["tangent_kernel"]


def tangent_kernel(model: keras.Model, x: Any, variables: Sequence[Any] | None = None) -> np.ndarray:
    r"""The inner products of the gradients of a network's outputs by its weights.

    .. math:: K_{ij} = \sum_c \langle \nabla_w f_c(x_i), \nabla_w f_c(x_j) \rangle

    In lazy training it stays what it was at the start, and the network learns as a kernel method does. It takes one
    backward pass for each output of each sample, and memory for as many gradients as there are samples: for some tens
    of samples of a small network.

    Args:
        model: a built Keras model with outputs `[N, C]`; it is run in inference mode and stays as it is.
        x: inputs `[N, ...]`, N at least 1.
        variables: by which to differentiate. Defaults to None: all trainable weights.

    Returns:
        float64 `[N, N]`, symmetric and positive semi-definite.

    Raises:
        ValueError: if the model is not built or gives no `[N, C]`, there are no inputs, or there is nothing to
            differentiate by.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    >>> tangent_kernel(model, np.array([[1.0, 0.0], [1.0, 2.0]])).tolist()  # of a linear model: the inner products of x
    [[1.0, 1.0], [1.0, 5.0]]

    Reference:
        Jacot et al., "Neural Tangent Kernel: Convergence and Generalization in Neural Networks", NeurIPS 2018, arXiv
        1806.07572.
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"`model` must be a built Keras model. Received: model={model!r}")
    variables = list(model.trainable_variables if variables is None else variables)
    if not variables:
        raise ValueError("`variables` must hold at least one. Received: variables=[]")
    x = np.asarray(x)
    if x.ndim < 2 or not len(x):
        raise ValueError(f"`x` must be inputs [N, ...], N at least 1. Received: x.shape={x.shape}")
    inputs = keras.ops.convert_to_tensor(x)
    shape = tuple(model(inputs[:1], training=False).shape)
    if len(shape) != 2:
        raise ValueError(f"`model` must give outputs [N, C]. Received: model with outputs of shape {shape}")

    def gradients(data: Any) -> Any:
        sample, chosen = data

        def output() -> Any:
            return keras.ops.sum(keras.ops.cast(model(sample, training=False), "float32") * chosen), ()

        at = [keras.ops.add(keras.ops.convert_to_tensor(variable), 0) for variable in variables]
        _, found = backend.value_and_gradients(model, output, variables, at=at)
        return [keras.ops.zeros_like(a) if part is None else part for part, a in zip(found, at, strict=True)]

    compiled = backend.program(model, gradients)
    kernel = np.zeros((len(x), len(x)))
    for number in range(shape[1]):
        chosen = keras.ops.convert_to_tensor(np.eye(shape[1], dtype="float32")[number : number + 1])
        rows = [
            np.concatenate(
                [np.ravel(keras.ops.convert_to_numpy(part)) for part in compiled((inputs[n : n + 1], chosen))]
            )
            for n in range(len(x))
        ]
        stacked = np.stack(rows).astype(np.float64)
        kernel += stacked @ stacked.T
    return kernel
