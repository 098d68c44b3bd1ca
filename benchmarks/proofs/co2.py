"""Test accuracy of four simulated workers with 250 digits each: CO2's stale averages, and each worker alone."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed
from benchmarks.proofs._small_digits import small_digits

NAME = "CO2"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "CO2", "no averaging"
WORKERS = 4


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.optimizers import CO2

    class Workers(keras.layers.Layer):
        """As many two-layer networks as there are workers, equal at the start."""

        def build(self, shape: Any) -> None:
            rng = np.random.default_rng(seed)
            for name, size, scale in (("w1", (64, 64), 0.18), ("b1", (1, 64), 0.0), ("w2", (64, 10), 0.18)):
                weight = self.add_weight(shape=(WORKERS, *size), name=name)
                weight.assign(np.repeat(rng.normal(0.0, scale, size)[None], WORKERS, axis=0))
                setattr(self, name, weight)

        def call(self, x: Any) -> Any:
            ops = keras.ops
            hidden = ops.relu(ops.einsum("nwi,wio->nwo", x, self.w1) + ops.transpose(self.b1, (1, 0, 2)))
            return ops.einsum("nwi,wio->nwo", hidden, self.w2)

    x, y, x_test, y_test = small_digits(seed)
    x, y = x.reshape(WORKERS, -1, 64).swapaxes(0, 1), y.reshape(WORKERS, -1).T
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = Timed()
    inner = {"learning_rate": 0.1, "momentum": 0.9}
    for name in (METHOD, BASELINE, "synchronous averaging"):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((WORKERS, 64)), Workers()])
        sgd = keras.optimizers.SGD(**inner)
        optimizer = sgd if name == BASELINE else CO2(sgd, 8, outer_momentum=0.2, delay=name == METHOD, workers=WORKERS)
        model.compile(optimizer, lambda y, z: WORKERS * cross_entropy(y, z))
        model.fit(x, y, batch_size=25, epochs=16, verbose=0)  # 160 steps: 20 rounds
        logits = model.predict(np.repeat(x_test[:, None], WORKERS, axis=1), verbose=0)
        found[name] = float((logits.argmax(axis=2) == y_test[:, None]).mean())
    return found
