import numpy as np
import pytest

from keras_ssl.losses.msn_loss import msn_terms
from tests.losses.conftest import _value_and_gradients


def drawn(count, n=5, k=4, seed=0):
    return list(np.random.default_rng(seed).uniform(-1, 1, size=(count, n, k)))


def soft(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def slow_sinkhorn(p, iterations):
    p = p.copy()
    for _ in range(iterations):
        p /= p.sum(axis=0, keepdims=True)
        p /= p.sum(axis=1, keepdims=True)
    return p


def reference(anchors, target, temperature=0.1, sharpening=0.25, iterations=0):
    p = np.array([soft(row / temperature) for row in target])
    p = p ** (1 / sharpening)
    p /= p.sum(axis=1, keepdims=True)
    p = slow_sinkhorn(p, iterations)
    losses, predictions = [], []
    for anchor in anchors:
        for row, wanted in zip(anchor, p, strict=True):
            q = soft(row / temperature)
            losses.append(-(wanted * np.log(q)).sum())
            predictions.append(q)
    mean = np.mean(predictions, axis=0)
    return np.mean(losses), -(mean * np.log(mean)).sum()


@pytest.mark.parametrize("iterations", [0, 3])
@pytest.mark.parametrize(("temperature", "sharpening"), [(0.1, 0.25), (0.5, 1.0)])
def test_equals_the_loops(temperature, sharpening, iterations):
    anchors, (target,) = drawn(3), drawn(1, seed=1)
    found = msn_terms(anchors, target, temperature, sharpening, iterations)
    for mine, theirs in zip(found, reference(anchors, target, temperature, sharpening, iterations), strict=True):
        assert float(mine) == pytest.approx(theirs, rel=1e-4)


def test_without_sharpening_equal_views_cost_their_entropy():
    (target,) = drawn(1)
    cross_entropy, _ = msn_terms([target], target, 0.5, 1.0, 0)
    p = np.array([soft(row / 0.5) for row in target])
    assert float(cross_entropy) == pytest.approx(-(p * np.log(p)).sum(axis=1).mean(), rel=1e-5)


def test_the_target_gets_no_gradient():
    anchors, (target,) = drawn(2), drawn(1, seed=1)
    _, gradients = _value_and_gradients(lambda a, b, t: sum(msn_terms([a, b], t)), *anchors, target)
    assert gradients[0].any() and gradients[1].any() and not gradients[2].any()


def test_certain_predictions_have_finite_gradients():
    certain = np.tile(np.array([[50.0, -50.0, -50.0]]), (3, 1))
    value, gradients = _value_and_gradients(lambda a, t: sum(msn_terms([a], t)), certain, certain)
    assert np.isfinite(value) and all(np.isfinite(part).all() for part in gradients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature=0"),
        ({"sharpening": -1}, "g=-1"),
        ({"sharpening": 0}, "g=0"),
        ({"sinkhorn_iterations": -1}, "ns=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        msn_terms(drawn(1), drawn(1)[0], **options)


def test_refuses_no_anchor():
    with pytest.raises(ValueError, match=r"Received: anchors=\[\]"):
        msn_terms([], drawn(1)[0])
