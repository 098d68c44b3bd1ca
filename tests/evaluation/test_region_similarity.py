import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from keras_ssl.evaluation import region_similarity


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    masks, true = rng.random((2, 3, 9, 8)) > 0.5, rng.random((2, 3, 9, 8)) > 0.5
    pairs = zip(masks.reshape(6, -1), true.reshape(6, -1), strict=True)
    expected = np.mean([jaccard_score(b, a) for a, b in pairs])
    assert region_similarity(masks, true) == pytest.approx(expected, abs=1e-12)
    assert region_similarity(masks.astype("uint8"), true.astype(float)) == pytest.approx(expected, abs=1e-12)


def test_closed_forms():
    mask = np.eye(5)
    assert region_similarity(mask, mask) == 1
    assert region_similarity(mask, 1 - mask) == 0
    assert region_similarity(np.zeros((4, 4)), np.zeros((4, 4))) == 1
    assert region_similarity(mask, np.zeros((5, 5))) == 0


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.ones((3, 3)), r"of one shape. Received: masks.shape=\(3, 3\), true_masks.shape=\(2, 2\)"),
        (np.full((2, 2), 2), r"`masks` must hold booleans, or 0 and 1"),
        (np.full((2, 2), np.nan), r"`masks` must hold booleans"),
    ],
)
def test_bad_masks(masks, message):
    with pytest.raises(ValueError, match=message):
        region_similarity(masks, np.ones((2, 2)))
