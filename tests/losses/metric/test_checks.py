"""What metric losses check of their arguments."""

import numpy as np
import pytest

from keras_ssl.losses.metric.checks import check_entries, check_same_shape


@pytest.mark.parametrize("value", [[0.0, 1.0], np.array([0.5]), (1.0,)])
def test_entries_within_their_range_pass(value):
    assert check_entries("value", value, 0.0, 1.0) is None


@pytest.mark.parametrize("wrong", [1.5, -0.5, np.nan, np.inf])
def test_entries_outside_are_named(wrong):
    with pytest.raises(ValueError, match=f"from 0 to 1. Received: share={wrong}"):
        check_entries("share", [0.5, wrong], 0.0, 1.0)
    with pytest.raises(ValueError, match="at least 0.6. Received: share=0.5"):
        check_entries("share", [0.5, 1.5], 0.6, np.inf)


def test_shapes_are_compared():
    check_same_shape("a", np.ones((2, 3)), "b", np.ones((2, 3)))
    for shape in ((3, 2), (2,), (2, 3, 1)):
        with pytest.raises(ValueError, match="`a` and `b` must have one shape"):
            check_same_shape("a", np.ones((2, 3)), "b", np.ones(shape))
