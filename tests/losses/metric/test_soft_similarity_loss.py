import keras
import numpy as np
import pytest

from keras_ssl.losses import label_similarities, soft_similarity_loss
from tests.losses.reference import as32, cosine, random_views

LABELS = np.array([[1, 0, 0, 1], [1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]], "float32")


def array(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def slow_target(labels):
    n = len(labels)
    target = np.eye(n)
    for i, j in np.ndindex(n, n):
        if i != j and labels[i].any() and labels[j].any():
            target[i, j] = cosine(labels[i].astype("float64"), labels[j].astype("float64"))
    return target


def reference(z1, z2, labels, temperature=0.2):
    target, total = slow_target(labels), 0.0
    for i, j in np.ndindex(target.shape):
        p = 1 / (1 + np.exp(-cosine(z1[i], z2[j]) / temperature))
        total -= target[i, j] * np.log(p) + (1 - target[i, j]) * np.log(1 - p)
    return total / target.size


def test_similarities_of_labels():
    found = array(label_similarities(LABELS))
    np.testing.assert_allclose(found, slow_target(LABELS), atol=1e-6)
    assert found[0, 3] == pytest.approx(1.0) and found[0, 2] == 0.0 and (np.diag(found) == 1).all()


def test_one_hot_labels_have_identity_or_blocks_as_target():
    np.testing.assert_array_equal(array(label_similarities(np.eye(4))), np.eye(4))
    classes = np.array([0, 1, 0, 2])
    np.testing.assert_allclose(array(label_similarities(np.eye(3)[classes])), classes[:, None] == classes)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_loops(temperature):
    z1, z2 = as32(random_views((5, 3)))
    expected = reference(z1.astype("float64"), z2.astype("float64"), LABELS, temperature)
    assert float(soft_similarity_loss(z1, z2, LABELS, temperature)) == pytest.approx(expected, rel=1e-5)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((5, 3), seed=3)
    _, gradients = value_and_gradients(lambda a, b: soft_similarity_loss(a, b, LABELS), z1, z2)
    expected = finite_differences(lambda a, b: reference(a, b, LABELS), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=max(tolerance, 1e-7))


def test_zero_rows_have_finite_gradients(value_and_gradients):
    zero = np.zeros((5, 3))
    value, gradients = value_and_gradients(lambda a, b: soft_similarity_loss(a, b, 0 * LABELS), zero, zero)
    assert value == pytest.approx(np.log(2)) and np.isfinite(gradients).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "Received: temperature=0"),
        ({"labels": LABELS[:2]}, r"Received: labels.shape=\(2, 4\)"),
        ({"labels": LABELS[0]}, r"Received: labels.shape=\(4,\)"),
        ({"z2": np.ones((4, 3))}, "Received: shapes"),
    ],
)
def test_errors(options, message):
    z1, z2 = as32(random_views((5, 3)))
    with pytest.raises(ValueError, match=message):
        soft_similarity_loss(**{"z1": z1, "z2": z2, "labels": LABELS, **options})
