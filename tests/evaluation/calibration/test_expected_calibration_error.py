"""The expected calibration error: worked examples, a slow reference, and the edges of bins."""

import keras
import numpy as np
import pytest

from keras_ssl.evaluation import expected_calibration_error, reliability_curve
from tests.evaluation.calibration.reference import overconfident, refuses, softmax


def slow(probabilities, labels, bins, norm=1):
    """Bin by bin, sample by sample."""
    total, gaps = 0.0, []
    for b in range(bins):
        inside = [
            (max(p), float(int(np.argmax(p)) == y))
            for p, y in zip(probabilities, labels, strict=True)
            if b / bins < max(p) <= (b + 1) / bins
        ]
        if inside:
            gap = abs(np.mean([c for c, _ in inside]) - np.mean([a for _, a in inside]))
            gaps.append(gap)
            total += len(inside) / len(labels) * gap**norm
    return max(gaps) if norm == np.inf else total ** (1 / norm)


def binary(confidences):
    return np.stack([confidences, 1 - np.asarray(confidences)], axis=1)


def test_an_example_by_hand():
    """Three bins of (0, 1/3], (1/3, 2/3], (2/3, 1]: two samples in the second, three in the third."""
    p, labels = binary([0.55, 0.65, 0.7, 0.8, 0.9]), np.array([0, 1, 0, 0, 1])
    # second: confidence 0.6, accuracy 1/2; third: confidence 0.8, accuracy 2/3
    expected = 2 / 5 * 0.1 + 3 / 5 * (0.8 - 2 / 3)
    assert expected_calibration_error(p, labels, bins=3) == pytest.approx(expected, abs=1e-12)
    curve = reliability_curve(p, labels, bins=3)
    assert curve.samples.tolist() == [0, 2, 3]
    np.testing.assert_allclose(curve.confidence, [np.nan, 0.6, 0.8])
    np.testing.assert_allclose(curve.accuracy, [np.nan, 0.5, 2 / 3])
    np.testing.assert_allclose(curve.edges, [0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_equals_the_definition(bins, norm):
    logits, labels = overconfident()
    p = softmax(logits)
    found = expected_calibration_error(p, labels, bins, norm=norm)
    assert found == pytest.approx(slow(p, labels, bins, norm), abs=1e-12)


def test_one_bin_is_the_difference_of_the_means():
    logits, labels = overconfident()
    p = softmax(logits)
    expected = abs(p.max(axis=1).mean() - np.mean(p.argmax(axis=1) == labels))
    assert expected_calibration_error(p, labels, bins=1) == pytest.approx(expected, abs=1e-12)


def test_perfect_calibration_is_0():
    p = binary([0.8] * 5 + [0.6] * 5)
    labels = np.array([0, 0, 0, 0, 1] + [0, 0, 0, 1, 1])
    assert expected_calibration_error(p, labels, bins=10) == pytest.approx(0.0, abs=1e-12)
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0.0


def test_bins_hold_their_upper_edge():
    curve = reliability_curve(binary([0.7, 0.7000001]), np.array([0, 0]), bins=10)
    assert curve.samples.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0, 0]
    assert reliability_curve(binary([1.0]), np.array([0]), bins=10).samples[-1] == 1


def test_quantile_bins_hold_as_many_samples_each():
    logits, labels = overconfident()
    curve = reliability_curve(softmax(logits), labels, bins=8, strategy="quantile")
    assert curve.samples.tolist() == [50] * 8
    p = binary([0.6, 0.7, 0.8, 0.9])
    # two bins, of (0.65, accuracy 1) and (0.85, accuracy 1/2)
    found = expected_calibration_error(p, np.array([0, 0, 1, 0]), bins=2, strategy="quantile")
    assert found == pytest.approx(0.5 * 0.35 + 0.5 * 0.35, abs=1e-12)
    assert reliability_curve(binary([0.9] * 4), np.zeros(4, int), 3, "quantile").samples.sum() == 4


def test_takes_half_precision_and_any_integer_labels():
    logits, labels = overconfident()
    p = softmax(logits)
    exact = expected_calibration_error(p, labels)
    assert expected_calibration_error(p.astype("float16"), labels.astype("uint8")) == pytest.approx(exact, abs=5e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 0}, "bins=0"),
        ({"bins": 2.5}, "bins=2.5"),
        ({"bins": True}, "bins=True"),
        ({"strategy": "equal"}, "strategy='equal'"),
        ({"norm": 0.5}, "norm=0.5"),
        ({"norm": float("nan")}, "norm=nan"),
    ],
)
def test_refuses_options(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        expected_calibration_error([[0.5, 0.5]], [0], **options)


def test_refuses_what_are_no_predictions():
    refuses(expected_calibration_error)
    refuses(reliability_curve)


def test_predictions_of_bfloat16_are_taken():
    logits = np.random.default_rng(0).normal(size=(50, 100)).astype("float32")
    half = keras.ops.convert_to_numpy(keras.ops.softmax(keras.ops.cast(logits, "bfloat16")))
    assert half.dtype.name == "bfloat16"
    labels = np.arange(50)
    assert expected_calibration_error(half, labels) == pytest.approx(
        expected_calibration_error(softmax(logits), labels), abs=0.01
    )
    with pytest.raises(ValueError, match="sum to 1.*Received: probabilities="):
        expected_calibration_error(0.98 * half, labels)
