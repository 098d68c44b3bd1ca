"""Accuracy of a linear classifier on balanced test digits, from captioned digits of which over half are zeros and
ones: balanced by their captions, and as many drawn at random."""

import numpy as np

from benchmarks.proofs._selection import linear, small_digits

NAME = "MetadataBalancedSampler"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "balanced", "random choice"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.data import MetadataBalancedSampler

    x, y, x_test, y_test = small_digits(seed)
    random = np.random.default_rng(seed)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    # The number of images of a digit falls by a third from each digit to the next.
    pool = np.concatenate([np.flatnonzero(y == k)[: round(110 * 0.66**k) + 1] for k in range(10)])
    frames = ["a photo of a {}", "the number {} by hand", "{}, scanned", "Somebody wrote a {}."]
    texts = [frames[random.integers(4)].format(names[y[row]]) for row in pool]
    kept = pool[MetadataBalancedSampler(names, limit=10, whole_words=True, seed=seed).select(texts)]
    drawn = random.permutation(pool)[: len(kept)]
    return {
        name: linear(x[rows], y[rows], x_test, y_test) for name, rows in (("balanced", kept), ("random choice", drawn))
    }
