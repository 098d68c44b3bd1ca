"""What the tests of the hub share: a tiny encoder with weights that no initializer would draw."""

import warnings

import keras
import numpy as np

from keras_ssl import hub

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


def randomise(model):
    """Gives every weight a number that no initializer would, so that features are about 1."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        kernel = len(variable.shape) > 1
        variable.assign(rng.normal(0, 0.2, variable.shape) if kernel else rng.uniform(0.2, 1.0, variable.shape))
    return model


def run(model, x):
    return keras.ops.convert_to_numpy(model(x))


def export_quietly(*args, **kwargs):
    """`export` without the warning that it gives on JAX."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hub.export(*args, **kwargs)
