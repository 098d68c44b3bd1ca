"""Test accuracy from 100 labeled digits: SAM, and plain training with twice the steps, which take as many passes."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed
from benchmarks.proofs._small_digits import accuracy, cross_entropy, perceptron, small_digits

NAME = "SAM"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "SAM", "plain"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.training import sam_value_and_gradients
    from keras_ssl.training.backends import backend

    x, y, x_test, y_test = small_digits(seed, train=100)
    found = Timed()
    for name, rho, steps in ((METHOD, 0.2, 300), (BASELINE, 0.0, 600)):
        model, loss = perceptron(seed, 128, 128), cross_entropy()
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
        model.optimizer.build(model.trainable_variables)

        def step(batch: Any, model: Any = model, loss: Any = loss, rho: float = rho) -> Any:
            inputs, labels = batch
            value, gradients = sam_value_and_gradients(lambda: loss(labels, model(inputs, training=True)), model, rho)
            backend.apply(model.optimizer, gradients, model.trainable_variables)
            return value

        program = backend.stateful_program([*model.variables, *model.optimizer.variables], step)
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            rows = rng.choice(100, 25, replace=False)
            program((keras.ops.convert_to_tensor(x[rows]), keras.ops.convert_to_tensor(y[rows])))
        found[name] = accuracy(model, x_test, y_test)
    return found
