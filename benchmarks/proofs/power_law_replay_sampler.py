"""Mean accuracy on five tasks (digits, with the pixels in another order in each) that were learned in turn, with the
same number of batches: rehearsed by a power law of their age, by equal shares, and not rehearsed."""

import numpy as np

from benchmarks.proofs._selection import accuracy, network, small_digits
from benchmarks.proofs._shared import Timed

NAME = "PowerLawReplaySampler"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "power law", "equal shares"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.data import PowerLawReplaySampler

    x, y, x_test, y_test = small_digits(seed)
    random = np.random.default_rng(seed)
    orders = [random.permutation(64) for _ in range(5)]
    x = np.concatenate([x[:, order] for order in orders])
    found = Timed()
    for name, exponent in (("power law", 1.0), ("equal shares", 0.0), ("no rehearsal", 1e6)):
        keras.utils.set_random_seed(seed)
        model = network()
        sampler = PowerLawReplaySampler(
            x,
            np.tile(y, 5),
            task=np.repeat(np.arange(5), len(y)),
            exponent=exponent,
            times=[0, 3, 6, 9, 12],
            batch_size=32,
            batches=20,
            seed=seed,
            pairs=True,
        )
        model.fit(sampler, epochs=15, shuffle=False, verbose=0)
        found[name] = float(np.mean([accuracy(model, x_test[:, order], y_test) for order in orders]))
    return found
