"""`predict` of a model that several processes train on JAX, by each of them for itself."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import keras
import numpy as np

_programs: WeakKeyDictionary[keras.Model, Callable[..., Any]] = WeakKeyDictionary()


def predict_alone(model: keras.Model, images: np.ndarray, batch_size: int) -> Any:
    """The outputs of a model for images of which every process has all, `[N, ...]`, each output as an array.

    Keras' `predict` would take what the processes hand over for the parts of one batch, and leave each with its part of
    the output. So no process waits for another here; each does all of the work.

    Args:
        model: a model whose weights every process holds whole, as under `keras.distribution.DataParallel`.
        images: their number is a multiple of `batch_size`.
        batch_size: images in a batch.
    """
    import jax

    weights = [
        [keras.ops.convert_to_numpy(variable) for variable in group]
        for group in (model.trainable_variables, model.non_trainable_variables)
    ]
    if model not in _programs:
        held: Any = ref(model)  # or the program would keep its own key alive

        def program(trainable: list[Any], others: list[Any], batch: Any) -> Any:
            return held().stateless_call(trainable, others, batch, training=False)[0]

        _programs[model] = jax.jit(program)
    batches = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    outputs = [_programs[model](*weights, batch) for batch in batches]
    return keras.tree.map_structure(lambda *parts: np.concatenate([np.asarray(part) for part in parts]), *outputs)
