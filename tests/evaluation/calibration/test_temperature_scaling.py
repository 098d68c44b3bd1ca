"""Temperature scaling: the least cross-entropy, on a grid; recovery; limits."""

import numpy as np
import pytest

from keras_ssl.evaluation import TemperatureScaling, expected_calibration_error
from tests.evaluation.calibration.reference import overconfident, softmax


def entropy(logits, labels, temperature):
    total = 0.0
    for row, y in zip(logits, labels, strict=True):
        scaled = row / temperature
        total += scaled.max() + np.log(np.sum(np.exp(scaled - scaled.max()))) - scaled[y]
    return total / len(labels)


def test_finds_the_least_cross_entropy():
    logits, labels = overconfident()
    best = TemperatureScaling().fit(logits, labels).temperature_
    at_best = entropy(logits, labels, best)
    assert all(
        entropy(logits, labels, t) >= at_best - 1e-12 for t in (*np.geomspace(0.05, 50, 60), best * 1.01, best * 0.99)
    )


def test_recovers_the_temperature_of_calibrated_labels_and_calibrates():
    logits, labels = overconfident(5000, sharpness=3.0)
    calibrator = TemperatureScaling().fit(logits[:2500], labels[:2500])
    assert calibrator.temperature_ == pytest.approx(3.0, rel=0.1)
    held, y = logits[2500:], labels[2500:]
    assert expected_calibration_error(calibrator(held), y) < 0.25 * expected_calibration_error(softmax(held), y)


def test_a_closed_form():
    """With one pair of logits and a share a of right samples, `softmax(f / T) = a`: `T = gap / log(a / (1 - a))`."""
    calibrator = TemperatureScaling().fit([[5.0, 0.0]] * 5, [0, 0, 0, 0, 1])
    assert calibrator.temperature_ == pytest.approx(5.0 / np.log(4.0), rel=1e-9)


def test_scaling_the_logits_scales_the_temperature_and_shifts_do_nothing():
    logits, labels = overconfident()
    first = TemperatureScaling().fit(logits, labels).temperature_
    assert TemperatureScaling().fit(2 * logits + 7.0, labels).temperature_ == pytest.approx(2 * first, rel=1e-9)


def test_keeps_the_predicted_class():
    logits, labels = overconfident()
    p = TemperatureScaling().fit(logits, labels)(logits)
    np.testing.assert_array_equal(p.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_without_a_minimum_it_stops_at_a_limit():
    assert TemperatureScaling().fit([[1.0, 0.0]], [0]).temperature_ == pytest.approx(0.01)
    assert TemperatureScaling(0.5, 20.0).fit([[1.0, 0.0]], [1]).temperature_ == pytest.approx(20.0)
    assert np.isfinite(TemperatureScaling().fit([[1e6, 0.0]] * 2, [0, 1])([[1e6, 0.0]])).all()


@pytest.mark.parametrize("limits", [(0.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.1, float("inf"))])
def test_refuses_limits(limits):
    with pytest.raises(ValueError, match="Received: lowest="):
        TemperatureScaling(*limits)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([1.0, 0.0], [0], "Received: logits.shape="),
        ([[1.0, float("inf")]], [0], "Received: logits="),
        ([[1.0, 0.0]], [2], "Received: labels=2"),
        ([[1.0, 0.0]], [[0.0, 1.0]], "Received: labels.shape="),
    ],
)
def test_refuses(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        TemperatureScaling().fit(logits, labels)


def test_refuses_to_be_called_before_fit():
    with pytest.raises(ValueError, match="`fit` must be called first. Received: "):
        TemperatureScaling()([[1.0, 0.0]])
