import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from keras_ssl.evaluation import pair_similarities


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_scikit_learn(dtype):
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(7, 5)).astype(dtype) for _ in range(2))
    positive, negative = pair_similarities(first, second)
    expected = cosine_similarity(first.astype("float64"), second.astype("float64"))
    np.testing.assert_allclose(positive, np.diag(expected), atol=1e-6)
    np.testing.assert_allclose(np.sort(negative), np.sort(expected[~np.eye(7, dtype=bool)]), atol=1e-6)
    assert positive.shape == (7,) and negative.shape == (42,)


def test_collapsed_features_are_alike_in_all_pairs():
    features = np.tile([3.0, -4.0], (4, 1))
    positive, negative = pair_similarities(features, 2 * features)
    np.testing.assert_allclose(np.concatenate([positive, negative]), 1.0)
    assert max(positive.max(), negative.max()) <= 1.0


def test_rows_of_zeros_are_like_nothing():
    positive, negative = pair_similarities(np.zeros((3, 2)), np.ones((3, 2)))
    assert not positive.any() and not negative.any()


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), r"features.shape=\(3, 2\), other_features.shape=\(4, 2\)"),
        (np.ones((1, 2)), np.ones((1, 2)), r"at least 2 samples. Received: features.shape=\(1, 2\)"),
        (np.ones((2, 2)), [[1, np.nan], [1, 1]], "`other_features`.*row 0"),
    ],
)
def test_bad_features(first, second, message):
    with pytest.raises(ValueError, match=message):
        pair_similarities(first, second)
