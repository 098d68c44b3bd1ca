"""Accuracy of neighbors among 150 of 1,200 digits, of which two thirds are corrupted: chosen to move the pool toward
100 clean images without labels, and drawn at random."""

import numpy as np

from benchmarks.proofs._selection import knn, small_digits

NAME = "OptimalTransportSelection"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "optimal transport", "random choice"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.data import OptimalTransportSelection

    x, y, x_test, y_test = small_digits(seed)
    random = np.random.default_rng(seed)
    target, x_test, y_test = x_test[:100], x_test[100:], y_test[100:]
    pool = x.copy()
    pool[:400] = np.clip(x[:400] + 0.6 * random.normal(size=(400, 64)), 0, 1)
    pool[400:800] = random.permuted(x[400:800], axis=1)
    chosen = OptimalTransportSelection(150).select(pool, target)
    drawn = random.permutation(len(pool))[:150]
    return {
        name: knn(pool[rows], y[rows], x_test, y_test)
        for name, rows in (("optimal transport", chosen), ("random choice", drawn))
    }
