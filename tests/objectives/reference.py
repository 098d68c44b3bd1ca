"""What the objectives' tests share: inputs, and slow references in float64."""

import keras
import numpy as np


def draws(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype("float32")


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def value(loss):
    return float(keras.ops.convert_to_numpy(loss))


def slow_info_nce(queries, keys, temperature, queue=None):
    """Loop by loop, in float64."""
    queries, keys = unit(queries.astype("float64")), unit(keys.astype("float64"))
    total = 0.0
    for row, query in enumerate(queries):
        positive = query @ keys[row] / temperature
        rivals = [positive] + [query @ negative / temperature for negative in queue] if queue is not None else []
        if queue is None:
            rivals = [query @ key / temperature for key in keys]
        total += np.log(np.sum(np.exp(rivals))) - positive
    return total / len(queries)
