"""Test accuracy on the product of two of 30 signs, by 200 steps: a rich network, and a lazy one of the same start."""

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "OutputScaling"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "alpha 0.3", "alpha 30"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.layers import OutputScaling

    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.0], size=(1400, 30)).astype("float32")
    y = x[:, :1] * x[:, 1:2]
    found = Timed()
    for name, alpha in ((METHOD, 0.3), (BASELINE, 30.0)):
        keras.utils.set_random_seed(seed)
        layers = [keras.Input((30,)), keras.layers.Dense(200, "relu"), keras.layers.Dense(1)]
        model = OutputScaling(keras.Sequential(layers), alpha)
        model.compile(keras.optimizers.SGD(0.2), "mse")
        model.fit(x[:400], y[:400], batch_size=400, epochs=200, verbose=0)
        correct = (np.sign(model.predict(x, verbose=0)) == y)[:, 0]
        found[name] = float(correct[400:].mean())
        found[f"{name}, training"] = float(correct[:400].mean())
    return found
