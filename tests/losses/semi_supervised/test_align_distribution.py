"""Distribution alignment: rows sum to 1, equal distributions change nothing, a class that never occurs is finite."""

import numpy as np

from keras_ssl.losses import align_distribution

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], "float32")


def test_equals_the_reference():
    target, mean = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    expected = [[p * t / m for p, t, m in zip(row, target, mean, strict=True)] for row in P.astype("float64")]
    expected = [np.array(row) / sum(row) for row in expected]
    found = np.asarray(align_distribution(P, target.astype("float32"), mean.astype("float32")))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)


def test_an_equal_mean_changes_nothing_and_a_missing_class_stays_finite():
    mean = P.mean(axis=0)
    np.testing.assert_allclose(align_distribution(P, mean, mean), P, rtol=1e-5)
    assert np.isfinite(np.asarray(align_distribution(P, mean, np.zeros(3, "float32")))).all()


def test_rows_sum_to_1_where_the_target_lacks_the_class_that_is_predicted():
    """As in a batch whose labeled samples are all of one class: the target has nothing for the predictions."""
    sure = np.array([[0.0, 1.0, 0.0], [1e-30, 1.0, 1e-30], [1.0, 0.0, 0.0]], "float32")
    for target in ([1.0, 0.0, 0.0], [1.0, 1e-38, 1e-38]):
        found = np.asarray(align_distribution(sure, np.array(target, "float32"), sure.mean(axis=0)))
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)
        assert found[0].argmax() == 1 and found[2].argmax() == 0
