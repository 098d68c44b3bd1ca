"""A model of one layer whose training NumPy writes down, for tests of callbacks."""

import keras
import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype("float32")
Y = RNG.normal(size=(48, 2)).astype("float32")


def regression(optimizer=None, **options):
    """A linear layer of zeros with squared error."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.1) if optimizer is None else optimizer, loss="mse", **options)
    return model


def trained(model, epochs=1, callbacks=(), batch_size=8, **options):
    """The history of an ordered `fit`."""
    options = {"epochs": epochs, "batch_size": batch_size, "shuffle": False, "verbose": 0} | options
    return model.fit(X, Y, callbacks=list(callbacks), **options).history


def arrays(model):
    """All that a run consists of: weights and the optimizer's variables."""
    variables = (*model.variables, *model.optimizer.variables)
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


class Rates(keras.callbacks.Callback):
    """Notes the learning rate of every step, before it is taken."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
