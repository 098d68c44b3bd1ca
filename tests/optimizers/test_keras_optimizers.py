"""What the guide to optimizers takes from Keras does what is said of it there: LAMB, Muon, averaged weights."""

import keras
import numpy as np
import pytest

from tests.optimizers.stepping import applied, assert_close, numbers


def test_lamb_equals_loops():
    weights, gradients = numbers()
    found = applied(keras.optimizers.Lamb(0.02, 0.9, 0.99, 1e-6), weights, gradients)
    expected = []
    for place, weight in enumerate(weights):
        w, m, v = weight.astype("float64"), 0.0, 0.0
        for step, grads in enumerate(gradients, start=1):
            g = grads[place].astype("float64")
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
            direction = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.99**step)) + 1e-6)
            w = w - 0.02 * np.linalg.norm(w) / np.linalg.norm(direction) * direction
        expected.append(w)
    assert_close(found, expected, atol=1e-4)


def test_muon_equals_loops():
    """Matrices by five Newton-Schulz steps from the momentum, everything else by Adam."""
    shapes = [(5, 3), (4, 6), (4,), (3, 3, 2, 4)]
    weights, gradients = numbers(shapes)
    optimizer = keras.optimizers.Muon(0.02, weight_decay=0.0, adam_weight_decay=0.0)
    found = applied(optimizer, weights, gradients)
    expected = []
    for place, weight in enumerate(weights):
        w, m, v = weight.astype("float64"), 0.0, 0.0
        for step, grads in enumerate(gradients, start=1):
            g = grads[place].astype("float64")
            if g.ndim == 2:
                m = 0.95 * m + g
                x = g + 0.95 * m
                x = x.T if x.shape[0] > x.shape[1] else x
                x = x / (np.linalg.norm(x) + 1e-7)
                for _ in range(5):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = x.T if g.shape[0] > g.shape[1] else x
                w = w - 0.02 * 0.2 * np.sqrt(max(g.shape)) * x
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                w = w - 0.02 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step) * m / (np.sqrt(v) + 1e-7)
        expected.append(w)
    assert_close(found, expected, atol=1e-3)


@pytest.mark.parametrize("overwrite", [None, 10])
def test_averaged_weights_equal_loops(overwrite):
    weights, gradients = numbers(steps=25)
    options = {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": overwrite}
    optimizer = keras.optimizers.SGD(0.01, **options)
    variables = [keras.Variable(w) for w in weights]
    optimizer.build(variables)
    w, average = [a.astype("float64") for a in weights], [a.astype("float64") for a in weights]
    for step, grads in enumerate(gradients, start=1):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in grads], variables)
        w = [a - 0.01 * g for a, g in zip(w, grads, strict=True)]
        share = 0.9 if step > 1 else 0.0  # the average begins at the weights after the first step
        average = [share * b + (1 - share) * a for a, b in zip(w, average, strict=True)]
        if overwrite and step % overwrite == 0:
            w = [b.copy() for b in average]
    assert_close([keras.ops.convert_to_numpy(v) for v in variables], w)
    optimizer.finalize_variable_values(variables)
    assert_close([keras.ops.convert_to_numpy(v) for v in variables], average)
