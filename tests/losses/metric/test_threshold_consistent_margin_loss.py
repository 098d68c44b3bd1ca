import numpy as np
import pytest

from keras_ssl.losses import threshold_consistent_margin_loss as tcm
from tests.losses.reference import cosine

Z = np.random.default_rng(0).normal(size=(8, 3)) + [1.0, 0.5, 0.0]
LABELS = np.array([0, 0, 1, 1, 2, 2, 0, -1], "int32")


def reference(z, labels, m_plus=0.9, m_minus=0.5, w_plus=1.0, w_minus=1.0):
    positives, negatives = [], []
    for i in range(len(z)):
        for j in range(len(z)):
            if i == j or labels[i] < 0 or labels[j] < 0:
                continue
            s = cosine(z[i], z[j])
            if labels[i] == labels[j] and s <= m_plus:
                positives.append(m_plus - s)
            if labels[i] != labels[j] and s >= m_minus:
                negatives.append(s - m_minus)
    total = w_plus * np.mean(positives) if positives else 0.0
    return total + (w_minus * np.mean(negatives) if negatives else 0.0)


@pytest.mark.parametrize("options", [(), (0.7, 0.2, 0.5, 2.0), (0.9, 0.5, 0.0, 1.0), (-0.5, 0.9, 1.0, 1.0)])
def test_equals_the_loops(options):
    loss = float(tcm(Z.astype("float32"), LABELS, *options))
    assert loss == pytest.approx(reference(Z, LABELS, *options), rel=1e-5, abs=1e-7)


def test_margins_that_are_met_give_no_loss_and_no_gradient(value_and_gradients):
    z = np.repeat(np.eye(3), 2, axis=0) + 1e-3
    value, (gradient,) = value_and_gradients(lambda x: tcm(x, np.repeat([0, 1, 2], 2)), z)
    assert value == 0.0 and not gradient.any()


def test_means_are_over_the_active_pairs_only():
    # One violating pair, at cosine 0.8, among ever more pairs that keep the margins.
    for count in (1, 10):
        z = np.array([[1.0, 0, 0], [0.8, 0.6, 0], *[[0, 0, 1.0]] * count], "float32")
        labels = np.array([0, 1, *[2] * count])
        assert float(tcm(z, labels)) == pytest.approx(0.3, rel=1e-5)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    _, gradients = value_and_gradients(lambda z: tcm(z, LABELS), Z)
    np.testing.assert_allclose(gradients, finite_differences(lambda z: reference(z, LABELS), Z), atol=tolerance)


def test_zero_rows_and_a_batch_without_labels(value_and_gradients):
    for labels in (LABELS, np.full(8, -1)):
        value, (gradient,) = value_and_gradients(lambda z, labels=labels: tcm(z, labels), np.zeros((8, 3)))
        assert np.isfinite(value) and np.isfinite(gradient).all()
    assert value == 0.0


def test_compiled_equals_eager(compiled):
    assert compiled(tcm, Z.astype("float32"), LABELS) == pytest.approx(reference(Z, LABELS), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positive_margin": 1.5}, "Received: positive_margin=1.5"),
        ({"negative_margin": np.nan}, "Received: negative_margin=nan"),
        ({"positive_weight": -1}, "Received: positive_weight=-1"),
        ({"negative_weight": np.inf}, "Received: negative_weight=inf"),
        ({"labels": LABELS[:4]}, r"Received: labels.shape=\(4,\)"),
        ({"labels": LABELS.astype("float32")}, "Received: labels.dtype=float32"),
        ({"z": Z[0]}, r"Received: z.shape=\(3,\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        tcm(**{"z": Z, "labels": LABELS, **options})
