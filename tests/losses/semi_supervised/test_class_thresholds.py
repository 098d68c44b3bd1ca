"""Thresholds by class, of FlexMatch and FreeMatch."""

import math

import numpy as np
import pytest

from keras_ssl.losses import flex_match_thresholds, free_match_thresholds


@pytest.mark.parametrize(
    ("mapping", "shape"),
    [("convex", lambda b: b / (2 - b)), ("linear", lambda b: b), ("concave", lambda b: math.log(b + 1) / math.log(2))],
)
@pytest.mark.parametrize("unused", [0.0, 5.0, 30.0])
def test_flex_match_by_hand(mapping, shape, unused):
    counts = [10.0, 4.0, 0.0]
    expected = [0.9 * shape(count / max(10.0, unused)) for count in counts]
    found = flex_match_thresholds(np.array(counts, "float32"), unused, 0.9, mapping)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_equal_counts_give_the_threshold_of_fix_match_and_none_gives_zero():
    np.testing.assert_allclose(flex_match_thresholds(np.full(4, 3.0, "float32")), 0.95, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(flex_match_thresholds(np.zeros(4, "float32"))), 0.0)


def test_free_match_by_hand():
    found = free_match_thresholds(np.float32(0.8), np.array([0.5, 0.3, 0.2], "float32"))
    np.testing.assert_allclose(found, [0.8, 0.48, 0.32], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"threshold": -0.1}, "Received: threshold=-0.1"), ({"mapping": "cubic"}, "Received: mapping='cubic'")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        flex_match_thresholds(np.ones(3, "float32"), **options)
