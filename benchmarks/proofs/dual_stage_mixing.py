"""Accuracy on all digits after training on digits 5 to 9 and then on 0 to 4: with a sixteenth of the first rehearsed in
the second stage, and without."""

import numpy as np

from benchmarks.proofs._selection import accuracy, network, small_digits
from benchmarks.proofs._shared import Timed

NAME = "DualStageMixing"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "rehearsal", "sequential"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.data import DualStageMixing

    x, y, x_test, y_test = small_digits(seed)
    found = Timed()
    for name, rehearsal in (("rehearsal", 1 / 16), ("sequential", 0.0), ("all mixed", 1.0)):
        keras.utils.set_random_seed(seed)
        model = network()
        mixing = DualStageMixing(np.flatnonzero(y >= 5), np.flatnonzero(y < 5), rehearsal, seed)
        for stage in (1, 2):
            for epoch in range(15):
                rows = mixing.indices(stage, epoch)
                model.fit(x[rows], y[rows], batch_size=64, shuffle=False, verbose=0)
        found[name] = accuracy(model, x_test, y_test)
    return found
