import numpy as np
import pytest

from keras_ssl.evaluation import tolerance


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_the_definition(dtype):
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((40, 5)).astype(dtype), rng.integers(0, 6, 40)
    labels[0] = 99  # alone in its class
    similar = []
    for i, (x, y) in enumerate(zip(features.astype("float64"), labels, strict=True)):
        for j, (other, label) in enumerate(zip(features.astype("float64"), labels, strict=True)):
            if i != j and y == label:
                similar.append(x @ other / np.linalg.norm(x) / np.linalg.norm(other))
    assert tolerance(features, labels) == pytest.approx(np.mean(similar), rel=1e-9)
    assert tolerance(features, labels.astype(str)) == pytest.approx(np.mean(similar), rel=1e-9)


def test_floor_and_ceiling():
    rays = np.outer(np.arange(1.0, 9), [1, 2])
    assert tolerance(rays, [0, 1] * 4) == pytest.approx(1)  # collapse
    assert tolerance(np.eye(5) - 0.2, [3] * 5) == pytest.approx(-1 / 4)  # a simplex
    assert tolerance(np.zeros((4, 2)), [0, 0, 1, 1]) == 0


def test_one_class_has_the_mean_cosine():
    features = np.random.default_rng(0).standard_normal((30, 4))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    assert tolerance(features, ["a"] * 30) == pytest.approx(cosine[np.triu_indices(30, 1)].mean(), rel=1e-9)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 1]])
def test_bad_labels(labels):
    with pytest.raises(ValueError, match=r"`labels`.*Received: labels"):
        tolerance(np.eye(3), labels)
