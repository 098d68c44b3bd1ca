import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from keras_ssl.evaluation import NearestMeanClassifier
from tests.evaluation.streams import mixture, stream


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_scikit_learn(dtype):
    features, labels = mixture(dtype=dtype)
    probe = NearestMeanClassifier().fit(features, labels)
    other = NearestCentroid().fit(features.astype("float64"), labels)
    np.testing.assert_allclose(probe.means_, other.centroids_, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(probe.counts_, np.bincount(labels))
    queries = mixture(seed=5, dtype=dtype)[0]
    np.testing.assert_array_equal(probe.predict(queries), other.predict(queries.astype("float64")))


def test_is_the_linear_classifier_of_its_weights():
    features, labels = mixture()
    probe = NearestMeanClassifier().fit(features, labels)
    linear = features @ probe.coef_.T + probe.intercept_
    np.testing.assert_array_equal(probe.predict(features), linear.argmax(axis=1))


def test_far_from_the_origin():
    features, labels = mixture()
    expected = NearestMeanClassifier().fit(features, labels).predict(features)
    far = stream(NearestMeanClassifier(), features + 1e7, labels)
    assert np.mean(far.predict(features + 1e7) == expected) > 0.99
