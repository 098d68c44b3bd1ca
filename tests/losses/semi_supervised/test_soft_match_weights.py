"""The truncated Gaussian of SoftMatch."""

import numpy as np
import pytest

from keras_ssl.losses import soft_match_weights


@pytest.mark.parametrize("deviations", [1.0, 2.0])
def test_by_hand(deviations):
    confidence = np.array([0.2, 0.5, 0.7, 0.9], "float32")
    sigma = np.sqrt(0.04) / deviations
    expected = [1.0 if c >= 0.7 else np.exp(-((c - 0.7) ** 2) / (2 * sigma**2)) for c in confidence]
    np.testing.assert_allclose(soft_match_weights(confidence, 0.7, 0.04, deviations), expected, rtol=1e-5)


def test_without_variance_it_is_a_mask():
    weights = np.asarray(soft_match_weights(np.array([0.2, 0.9], "float32"), 0.7, 0.0))
    np.testing.assert_array_equal(weights, [0.0, 1.0])


@pytest.mark.parametrize("wrong", [0.0, float("nan"), float("inf")])
def test_refuses(wrong):
    with pytest.raises(ValueError, match="Received: deviations="):
        soft_match_weights(np.ones(2, "float32"), 0.5, 0.1, wrong)
