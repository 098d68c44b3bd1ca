"""Features and streams of them, for the tests of the probes."""

import numpy as np


def mixture(samples=300, dimensions=6, classes=4, seed=0, offset=0.0, dtype="float64"):
    """Features of overlapping classes of unequal size and spread, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, samples, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    labels[:classes] = np.arange(classes)
    centers = np.random.default_rng(99).standard_normal((classes, dimensions)) * 1.5
    spread = np.random.default_rng(98).uniform(0.3, 2, (classes, dimensions))
    features = centers[labels] + spread[labels] * rng.standard_normal((samples, dimensions)) + offset
    return features.astype(dtype), labels


def stream(probe, features, labels, seed=0):
    """The probe after all samples in a random order, in batches of 1 to 40."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    while len(order):
        size = int(rng.integers(1, 41))
        probe.partial_fit(features[order[:size]], labels[order[:size]])
        order = order[size:]
    return probe
