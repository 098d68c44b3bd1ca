import sys

import numpy as np
import pytest

from keras_ssl.evaluation import alignment


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_equals_the_definition(dtype, alpha, monkeypatch):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((30, 5)).astype(dtype) for _ in range(2))
    total = 0.0
    for x, y in zip(a.astype("float64"), b.astype("float64"), strict=True):
        total += np.linalg.norm(x / np.linalg.norm(x) - y / np.linalg.norm(y)) ** alpha
    assert alignment(a, b, alpha) == pytest.approx(total / 30, rel=1e-9)
    monkeypatch.setattr(sys.modules["keras_ssl.evaluation.spectrum"], "_BLOCK", 35)
    assert alignment(a, b, alpha) == pytest.approx(total / 30, rel=1e-9)


def test_floor_and_ceiling():
    features = np.random.default_rng(0).standard_normal((20, 4))
    assert alignment(features, 3 * features) == pytest.approx(0, abs=1e-12)
    assert alignment(features, -features) == pytest.approx(4)
    assert alignment(features, -features, alpha=3) == pytest.approx(8)
    assert alignment(np.zeros((2, 2)), np.eye(2)) == pytest.approx(1)  # zeros stay zeros
    rng = np.random.default_rng(0)
    assert alignment(rng.standard_normal((5000, 64)), rng.standard_normal((5000, 64))) == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"other_features": np.ones((3, 2))}, r"two views.*Received: features.shape=\(2, 2\), other_features.shape="),
        ({"alpha": 0}, r"Received: alpha=0"),
        ({"other_features": [[1.0, 1.0], [np.nan, 1.0]]}, r"`other_features` must be finite.*row 1"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        alignment(**{"features": np.eye(2), "other_features": np.eye(2)} | change)
