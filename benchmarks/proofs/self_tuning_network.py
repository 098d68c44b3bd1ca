"""Test loss from 150 digits with a fifth of the labels wrong: tuned weight decay, and that of the start."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed
from benchmarks.proofs._small_digits import cross_entropy, small_digits

NAME = "SelfTuningNetwork"
MEASURE = "loss"
METHOD, BASELINE = "tuned", "fixed"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.layers import SelfTuningDense
    from keras_ssl.training import SelfTuningNetwork

    x, y, x_test, y_test = small_digits(seed, train=300)
    y = y.copy()
    y[:30] = np.random.default_rng(seed).integers(0, 10, 30)
    training, validation, loss = (x[:150], y[:150]), (x[150:], y[150:]), cross_entropy()
    found = Timed()
    for name in (METHOD, BASELINE):
        keras.utils.set_random_seed(seed)
        inputs = [keras.Input((64,)), keras.Input((2,))]
        layers = [SelfTuningDense(64, "relu"), SelfTuningDense(10)]
        network = keras.Model(inputs, layers[1]([layers[0](inputs), inputs[1]]))

        def training_loss(y: Any, logits: Any, values: Any, h: Any, layers: Any = layers) -> Any:
            squares = [keras.ops.sum(keras.ops.square(layer.weights_at(h)[0])) for layer in layers]
            return loss(y, logits) + values["first"] * squares[0] + values["second"] * squares[1]

        start, hyper = {"first": 1e-4, "second": 1e-4}, keras.optimizers.Adam(0.03 if name == METHOD else 0.0)
        options = {"optimizer": keras.optimizers.Adam(3e-3), "hyper_optimizer": hyper, "seed": seed}
        tuner = SelfTuningNetwork(network, start, training_loss, loss, **options)
        tuner.fit(training, validation, rounds=400)
        logits = tuner.predict(x_test)
        found[name] = float(loss(y_test, logits))
        found[f"{name}, accuracy"] = float((logits.argmax(axis=1) == y_test).mean())
        found[f"{name}, first decay"] = tuner.values["first"]
    return found
