"""Everything that a run's next step depends on, as variables by name."""

from typing import Any

import keras
import numpy as np

from keras_ssl.training import SSLModel
from keras_ssl.weights.named_weights import named_weights


def state_variables(model: SSLModel) -> dict[str, Any]:
    """All variables of a model in training, by name.

    - `model/...`: its weights under the names of `keras_ssl.hub.named_weights`: encoder, heads, teacher, queue, center,
      prototypes, the step.
    - `seed/0` ...: the states of seed generators, such as those of Keras' own dropout layers.
    - `optimizer/0` ...: moments, counts, the loss scale, accumulated gradients.
    - `scalars/0` ...: the running means of the epoch's logs.

    Args:
        model: an objective, compiled.
    """
    named = {f"model/{name}": variable for name, variable in named_weights(model).items()}
    weights = {id(variable) for variable in model.weights}
    groups = {
        "seed": [variable for variable in model.variables if id(variable) not in weights],
        "optimizer": model.optimizer.variables,
        "scalars": model.scalars.variables,
    }
    for group, variables in groups.items():
        named |= {f"{group}/{place}": variable for place, variable in enumerate(variables)}
    return named


def host_copy(variables: dict[str, Any]) -> dict[str, np.ndarray]:
    """Copies of variables in the host's memory; bfloat16 as float32, which loses nothing."""
    return {name: _copy(variable) for name, variable in variables.items()}


def not_finite(tensors: dict[str, np.ndarray]) -> list[str]:
    """Names of the arrays that hold NaN or infinity."""
    return [name for name, array in tensors.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]


def _copy(variable: Any) -> np.ndarray:
    value = variable  # not `variable.value`: NumPy takes no scalar on several devices
    if keras.backend.standardize_dtype(variable.dtype) == "bfloat16":
        value = keras.ops.cast(value, "float32")
    # On a CPU the array may share its memory with the variable, which goes on changing.
    return np.array(keras.ops.convert_to_numpy(value))
