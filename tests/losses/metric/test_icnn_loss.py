import keras
import numpy as np
import pytest

from keras_ssl.losses import ICNNLoss, icnn_loss

RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 1], "int32")
Z = RNG.normal(size=(10, 3)) + np.eye(3)[LABELS]


def reference(z, labels, k=4):
    n, within, between, share, largest = len(z), [], [], [], 0.0
    for i in range(n):
        d = {j: np.linalg.norm(z[i] - z[j]) for j in range(n) if j != i}
        near = sorted(d, key=d.get)[:k]
        edge = min(d[j] for j in d if labels[j] != labels[i])
        ratios = {j: d[j] / edge for j in near}
        scale = max(1.0, *ratios.values())
        same = [ratios[j] / scale for j in near if labels[j] == labels[i]]
        other = [d[j] for j in near if labels[j] != labels[i]]
        within += [np.mean(same)] if same else []
        between += [np.mean(other)] if other else []
        largest = max([largest, *other])
        share.append(len(same) / k)
    a = np.mean(within) if within else 1.0
    b = np.mean(between) / largest if between else 1.0
    return -np.log(((1 - a + b) / 2 + np.mean(share)) / 2)


@pytest.mark.parametrize("k", [1, 4, 9])
def test_equals_the_loops(k):
    assert float(icnn_loss(Z.astype("float32"), LABELS, k)) == pytest.approx(reference(Z, LABELS, k), rel=1e-5)


def test_points_of_classes_apart_have_no_loss():
    z = np.repeat(np.eye(3), 5, axis=0).astype("float32")
    assert float(icnn_loss(z, np.repeat([4, 1, 7], 5), 4)) == pytest.approx(0.0, abs=1e-6)


def test_two_pairs_have_a_closed_form():
    # Two pairs 1 apart, 3 from the next: A = 1/3 for the inner, 1/4 for the outer points; no neighbor of another class.
    z = np.array([[0.0], [1.0], [4.0], [5.0]])
    expected = -np.log(((1 - (1 / 3 + 1 / 4) / 2 + 1) / 2 + 1) / 2)
    assert float(icnn_loss(z, np.array([0, 0, 1, 1]), 1)) == pytest.approx(expected, rel=1e-5)


def test_does_not_see_isometries_and_scale():
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    moved = float(icnn_loss(2.5 * Z @ turn + 3.0, LABELS))
    assert moved == pytest.approx(float(icnn_loss(Z, LABELS)), rel=1e-4)


def test_shuffled_labels_cost_more():
    z = RNG.normal(size=(30, 4)) + 3 * np.repeat(np.eye(4)[:3], 10, axis=0)
    labels = np.repeat([0, 1, 2], 10)
    assert float(icnn_loss(z, labels)) + 0.2 < float(icnn_loss(z, RNG.permutation(labels)))


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    _, gradients = value_and_gradients(lambda z: icnn_loss(z, LABELS), Z)
    np.testing.assert_allclose(gradients, finite_differences(lambda z: reference(z, LABELS), Z), atol=tolerance)


@pytest.mark.parametrize("labels", [LABELS, np.zeros(10, "int32"), np.arange(10)])
def test_degenerate_batches_stay_finite(labels, value_and_gradients):
    for z in (np.zeros((10, 3)), Z):
        value, gradients = value_and_gradients(lambda x: icnn_loss(x, labels), z)
        assert np.isfinite(value) and np.isfinite(gradients).all()


def test_the_loss_of_keras_and_its_round_trip():
    loss = ICNNLoss(3)
    assert float(loss(LABELS[:, None], Z)) == pytest.approx(reference(Z, LABELS, 3), rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config() and again.neighbors == 3


def test_compiled_equals_eager(compiled):
    assert compiled(icnn_loss, Z.astype("float32"), LABELS) == pytest.approx(reference(Z, LABELS), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbors": 0}, "Received: neighbors=0"),
        ({"neighbors": 10}, "Received: neighbors=10"),
        ({"labels": LABELS[:3]}, r"Received: labels.shape=\(3,\)"),
        ({"labels": LABELS * 0.5}, "Received: labels.dtype=float"),
        ({"embeddings": Z[0]}, r"Received: embeddings.shape=\(3,\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        icnn_loss(**{"embeddings": Z, "labels": LABELS, **options})
    with pytest.raises(ValueError, match="Received: neighbors=0"):
        ICNNLoss(0)


def test_a_single_class_has_loss_zero():
    assert abs(float(icnn_loss(np.arange(8.0).reshape(4, 2), np.zeros(4, "int32"), neighbors=2))) == 0.0
