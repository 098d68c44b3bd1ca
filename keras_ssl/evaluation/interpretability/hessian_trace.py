"""How sharp the minimum is that a model has found."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.training import SSLModel, engine
from keras_ssl.training.backends import backend
from keras_ssl.training.derivatives import hessian_vector_product
from keras_ssl.typing import Tensor

__all__ = ["hessian_trace"]


def hessian_trace(
    model: Any,
    loss: Any = None,
    data: Any = None,
    *,
    variables: Sequence[Any] | None = None,
    samples: int | None = 100,
    seed: int = 0,
) -> float:
    r"""The trace of the Hessian of a loss by a model's weights: low at a flat minimum, high at a sharp one.

    By Hutchinson's estimate over random vectors of signs

    .. math:: \operatorname{tr} H = E[v^\top H v], \quad v_i = \pm 1

    where each :math:`H v` is a gradient of a gradient, so that H is never formed. The estimate is unbiased, and exact
    for a diagonal H; its variance is :math:`2 \sum_{i \ne j} H_{ij}^2` over the number of samples. Among models with
    the same pretraining loss, the flatter one is reported to transfer better.

    The loss is one of three:

    - a function without arguments that returns a scalar and reads the model's weights, `data` being None;
    - a Keras loss, its name, or a function `(y, outputs)`, with `data=(x, y)`: the mean over the samples of the loss of
      `model(x, training=False)`;
    - None, for an objective of this library and a batch as `fit` takes it: its own pretraining loss, as in a training
      step, with the views of step 0.

    Nothing of the model changes. All of `data` is one batch. A difference of the loss by a constant changes nothing.

    Args:
        model: a built Keras model or layer.
        loss: as above. Defaults to None.
        data: as above. Defaults to None.
        variables: by which to differentiate. Defaults to None: all trainable weights.
        samples: number of random vectors; None computes the exact trace, with one product for each single weight.
            Defaults to 100.
        seed: of the random vectors. Defaults to 0.

    Returns:
        The trace, a float.

    Raises:
        ValueError: if the loss and data do not fit each other, the loss is no scalar, there is nothing to differentiate
            by, or `samples` is out of range.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    >>> x = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]], "float32")
    >>> round(hessian_trace(model, "mse", (x, np.zeros((2, 1))), samples=None), 4)  # 2 * mean |x|^2
    14.0

    Reference:
        Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990; of pretraining losses: Liu et
        al., "Same Pre-training Loss, Better Downstream: Implicit Bias Matters for Language Models", ICML 2023.
    """
    if not isinstance(model, keras.layers.Layer) or not model.built:
        raise ValueError(f"`model` must be a built Keras model or layer. Received: model={model!r}")
    variables = list(model.trainable_variables if variables is None else variables)
    if not variables:
        raise ValueError("`variables` must hold at least one. Received: variables=[]")
    samples = None if samples is None else check_integer("samples", samples, 1)
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    function = _scalar(model, loss, data)

    def product(inputs: Any) -> Tensor:
        batch, vectors = inputs
        products = hessian_vector_product(lambda: function(batch), model, variables, vectors)
        terms = [keras.ops.sum(a * keras.ops.cast(b, a.dtype)) for a, b in zip(products, vectors, strict=True)]
        return keras.ops.sum(keras.ops.stack([keras.ops.cast(term, "float32") for term in terms]))

    compiled = backend.program(model, product)
    batch = keras.tree.map_structure(keras.ops.convert_to_tensor, () if data is None else data)
    shapes = [tuple(variable.shape) for variable in variables]
    vectors = _units(shapes) if samples is None else (_signs(shapes, rng) for _ in range(samples))
    found = [float(compiled((batch, v))) for v in vectors]
    return float(np.sum(found) if samples is None else np.mean(found))


def _signs(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> list[Tensor]:
    return [keras.ops.convert_to_tensor(rng.integers(0, 2, shape).astype("float32") * 2 - 1) for shape in shapes]


def _units(shapes: list[tuple[int, ...]]) -> Any:
    """Every unit vector in turn."""
    for place, shape in enumerate(shapes):
        for number in range(int(np.prod(shape))):
            vectors = [np.zeros(each, "float32") for each in shapes]
            vectors[place].reshape(-1)[number] = 1.0
            yield [keras.ops.convert_to_tensor(vector) for vector in vectors]


def _scalar(model: Any, loss: Any, data: Any) -> Callable[[Any], Tensor]:
    """The loss as a function of the data, a scalar."""
    if loss is None:
        if not isinstance(model, SSLModel) or data is None:
            raise ValueError(
                "`loss` may be None only for an objective of keras_ssl with a batch as `data`. "
                f"Received: loss=None, model={type(model).__name__}, data={type(data).__name__}"
            )
        return lambda batch: _pretraining_loss(model, batch)
    if data is None:
        if not callable(loss):
            raise ValueError(
                f"`loss` must be a function without arguments where `data` is None. Received: loss={loss!r}"
            )
        return lambda _: _as_scalar(loss())
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ValueError(f"`data` must be (x, y). Received: data={type(data).__name__}")
    try:
        known = keras.losses.get(loss)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`loss` must be a Keras loss, its name or a function. Received: loss={loss!r}") from error
    return lambda batch: keras.ops.mean(known(batch[1], model(batch[0], training=False)))


def _as_scalar(value: Tensor) -> Tensor:
    value = keras.ops.convert_to_tensor(value)
    if len(value.shape) != 0:
        raise ValueError(f"`loss` must return a scalar. Received: loss of shape {tuple(value.shape)}")
    return value


def _pretraining_loss(model: SSLModel, data: Any) -> Tensor:
    batch, step = engine.prepare(model, data, training=True, check=False)
    step = replace(step, index=keras.ops.zeros((), "int32"))
    return engine.forward(model, batch, step).loss
