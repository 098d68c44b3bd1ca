"""Accuracy of neighbors among as many samples as the reduction keeps, of a pool where a tenth of 300 digits has 40
near-copies each: kept by distance of embeddings, and drawn at random."""

import numpy as np

from benchmarks.proofs._selection import knn, small_digits

NAME = "RedundancyReduction"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "embedding", "random choice"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.data import RedundancyReduction

    x, y, x_test, y_test = small_digits(seed)
    random = np.random.default_rng(seed)
    rows = random.permutation(np.concatenate([np.arange(300), np.repeat(np.arange(30), 40)]))
    pool, labels = x[rows] + 0.03 * random.normal(size=(len(rows), 64)), y[rows]
    kept = RedundancyReduction("embedding", threshold=0.03).select(pool)
    hashed = RedundancyReduction("hash", threshold=6, margin=0.1).select(pool.reshape(-1, 8, 8))
    order = random.permutation(len(pool))
    found = {"kept": len(kept) / len(pool), "kept by hash": len(hashed) / len(pool)}
    choices = {
        "embedding": kept,
        "random choice": order[: len(kept)],
        "hash": hashed,
        "random choice of as many": order[: len(hashed)],
        "all": order,
    }
    return found | {name: knn(pool[c], labels[c], x_test, y_test) for name, c in choices.items()}
