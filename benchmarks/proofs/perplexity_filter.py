"""Accuracy after training on a third of data of which 60 % have wrong labels: the third of the lowest loss under a
network that has seen 100 clean images, and a random third."""

from benchmarks.proofs._merging import CLASSES, accuracy, domains, network, trained
from benchmarks.proofs._shared import Timed

NAME = "PerplexityFilter"
MEASURE = "accuracy"
METHOD, BASELINE = "lowest loss", "random third"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np
    from scipy.special import log_softmax

    from keras_ssl.data import PerplexityFilter

    x, y, x_test, y_test = domains(seed)[0]
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    reference = trained(network(), x[:100], y[:100], 40)
    x, y = x[100:], y[100:]
    wrong = rng.random(len(y)) < 0.6
    y = np.where(wrong, (y + rng.integers(1, CLASSES, len(y))) % CLASSES, y)
    z = reference.predict(x, verbose=0)
    log_p = log_softmax(z, axis=1)
    kept = PerplexityFilter(1 / 3)(-log_p[np.arange(len(y)), y])
    found = Timed()
    for name, chosen in (("lowest loss", kept), ("random third", rng.permutation(len(y))[: len(kept)])):
        keras.utils.set_random_seed(seed)
        found[name] = accuracy(trained(network(), x[chosen], y[chosen], 20).predict(x_test, verbose=0), y_test)
    found["reference alone"] = accuracy(reference.predict(x_test, verbose=0), y_test)
    found["wrong labels kept"] = float(wrong[kept].mean())
    return found
