import keras
import numpy as np
import pytest

from keras_ssl.losses.view_similarities import log_sum_exp, view_similarities
from tests.losses.reference import as32, cosine, random_views


def test_rows_are_views_of_samples_one_view_after_the_other():
    views = as32(random_views((4, 3), count=3))
    pairs = view_similarities(*views)
    z = np.concatenate(views)
    expected = [[cosine(a, b) for b in z] for a in z]
    np.testing.assert_allclose(pairs.cosines, expected, atol=1e-6)
    np.testing.assert_array_equal(pairs.sample, [0, 1, 2, 3] * 3)
    np.testing.assert_array_equal(pairs.view, np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(pairs.partner, [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3])
    np.testing.assert_allclose(pairs.positives, [expected[i][(i + 4) % 12] for i in range(12)], atol=1e-6)


def test_masks():
    pairs = view_similarities(*as32(random_views((3, 2))))
    np.testing.assert_array_equal(pairs.oneself, np.eye(6, dtype=bool))
    np.testing.assert_array_equal(pairs.same_sample, np.tile(np.eye(3, dtype=bool), (2, 2)))
    np.testing.assert_array_equal(pairs.same_view, np.kron(np.eye(2), np.ones((3, 3))).astype(bool))


def test_log_sum_exp_leaves_out_what_is_excluded_however_large():
    logits = np.array([[1.0, 2.0, 5e4], [-3.0, 1.0, 0.0]], "float32")
    excluded = np.array([[False, False, True], [True, False, False]])
    expected = [np.logaddexp(1.0, 2.0), np.logaddexp(1.0, 0.0)]
    np.testing.assert_allclose(log_sum_exp(logits, excluded), expected, rtol=1e-6)
    np.testing.assert_allclose(log_sum_exp(logits)[1], np.logaddexp(expected[1], -3.0), rtol=1e-6)
    nothing = keras.ops.convert_to_numpy(log_sum_exp(logits, np.ones_like(excluded)))
    assert np.isfinite(nothing).all() and (nothing < -1e8).all()


def test_refuses_one_view_and_views_of_different_shapes():
    (z1, z2) = as32(random_views((4, 3)))
    with pytest.raises(ValueError, match="two or more views.*Received: 1 views"):
        view_similarities(z1)
    with pytest.raises(ValueError, match="Received: shapes"):
        view_similarities(z1, z2, z1[:3])
