import sys

import numpy as np
import pytest

from keras_ssl.evaluation.class_moments import ClassMoments, class_sums, group_means
from tests.evaluation.streams import mixture


def test_sums_and_means(monkeypatch):
    features, labels = mixture(dtype="float16")
    exact = features.astype("float64")
    expected = np.array([exact[labels == c].sum(axis=0) for c in range(4)])
    np.testing.assert_allclose(class_sums(exact, labels, 5)[:4], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(class_sums(exact, labels, 5)[4], 0)
    monkeypatch.setattr(sys.modules["keras_ssl.evaluation.spectrum"], "_BLOCK", 6 * 7)
    means = expected / np.bincount(labels)[:, np.newaxis]
    np.testing.assert_allclose(group_means(features, labels, 4), means, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_merged_moments_lose_no_digits(offset):
    features, labels = mixture(offset=offset)
    moments = ClassMoments(6)
    for number in range(4):
        moments.add_class(number)
    for start in range(0, 300, 7):
        moments.update(features[start : start + 7], labels[start : start + 7])
    for number in range(4):
        chosen = features[labels == number]
        np.testing.assert_allclose(moments.means[number], chosen.mean(axis=0), rtol=1e-10, atol=1e-9)
        np.testing.assert_allclose(moments.squares[number] / len(chosen), chosen.var(axis=0), rtol=1e-6)
