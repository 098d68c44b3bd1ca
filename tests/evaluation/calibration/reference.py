"""Inputs and bad inputs that the tests of calibration share."""

import numpy as np
import pytest


def softmax(logits):
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def overconfident(samples=400, classes=3, seed=0, sharpness=3.0):
    """Logits `sharpness` times too large for their labels, which follow softmax(logits / sharpness)."""
    random = np.random.RandomState(seed)
    logits = random.normal(size=(samples, classes)) * 1.5
    labels = np.array([random.choice(classes, p=p) for p in softmax(logits)])
    return sharpness * logits, labels


BAD_PROBABILITIES = [
    ([0.5, 0.5], [0], "Received: probabilities.shape="),
    ([[1.0]], [0], "Received: probabilities.shape="),
    (np.zeros((0, 2)), [], "Received: probabilities.shape="),
    ([[0.5, 0.6]], [0], "which sum to 1 in each row .not logits.. Received: probabilities="),
    ([[1.5, -0.5]], [0], "Received: probabilities="),
    ([[float("nan"), 1.0]], [0], "must be finite. Received: probabilities="),
    ([["a", "b"]], [0], "Received: probabilities.shape="),
    ([[0.5, 0.5]], [2], "from 0 to 1. Received: labels=2 in sample 0"),
    ([[0.5, 0.5]], [-1], "Received: labels=-1"),
    ([[0.5, 0.5]], [[0, 1]], "Received: labels.shape="),
    ([[0.5, 0.5]], [0.0], "Received: labels.shape=.*float64"),
]


def refuses(function):
    for probabilities, labels, message in BAD_PROBABILITIES:
        with pytest.raises(ValueError, match=message):
            function(probabilities, labels)
