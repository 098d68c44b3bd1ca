"""Accuracy on digits 0 to 4 of neighbors among 150 samples of an open set of all digits and noise: chosen to resemble
50 target images, and drawn at random."""

import numpy as np

from benchmarks.proofs._selection import knn, small_digits

NAME = "SimCore"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "SimCore", "random choice"


def run(seed: int) -> dict[str, float]:
    from sklearn.decomposition import PCA

    from keras_ssl.data import SimCore

    x, y, x_test, y_test = small_digits(seed)
    random = np.random.default_rng(seed)
    wanted = np.flatnonzero(y < 5)
    target, rest = wanted[:50], np.setdiff1d(np.arange(len(x)), wanted[:50])
    noise = random.permuted(x[:600], axis=1)
    pool = np.concatenate([x[rest], noise])
    labels = np.concatenate([y[rest], np.full(600, 10)])
    features = PCA(16, random_state=0).fit(x[target])
    center = features.transform(x[target]).mean(axis=0)
    chosen = SimCore(150, clusters=20, stop_ratio=0.0, seed=seed).select(
        features.transform(pool) - center, features.transform(x[target]) - center
    )
    drawn = random.permutation(len(pool))[:150]
    test = y_test < 5
    return {
        name: knn(pool[rows], labels[rows], x_test[test], y_test[test])
        for name, rows in (("SimCore", chosen), ("random choice", drawn))
    }
