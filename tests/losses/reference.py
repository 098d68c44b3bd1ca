"""What the tests of contrastive losses share: inputs, and cosines of all views by loops."""

import numpy as np


def random_views(shape, count=2, seed=0):
    """Views of the same samples, float64: alike, but not equal."""
    rng = np.random.default_rng(seed)
    center = rng.normal(size=shape)
    return [0.6 * center + 0.8 * rng.normal(size=shape) for _ in range(count)]


def as32(arrays):
    return [array.astype("float32") for array in arrays]


def cosine(a, b):
    return np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))


def log_sum_exp(values):
    return np.logaddexp.reduce(list(values))


def slow_nt_xent_rows(z1, z2, temperature):
    """NT-Xent of each anchor, loop by loop."""
    n, z = len(z1), [*z1, *z2]
    return [
        log_sum_exp(cosine(z[i], z[j]) / temperature for j in range(2 * n) if j != i)
        - cosine(z[i], z[(i + n) % (2 * n)]) / temperature
        for i in range(2 * n)
    ]
