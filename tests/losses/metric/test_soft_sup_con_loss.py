import numpy as np
import pytest

from keras_ssl.losses import nt_xent_loss, soft_sup_con_loss, sup_con_loss
from tests.losses.reference import as32, cosine, log_sum_exp, random_views

LABELS = np.array([0, 1, 0, 2, 1], "int32")


def similarities(seed=0, n=5):
    drawn = np.random.default_rng(seed).uniform(0.1, 0.9, (n, n))
    return 0.5 * (drawn + drawn.T) * (1 - np.eye(n)) + np.eye(n)


def reference(z1, z2, similarity, temperature=0.1):
    n, z, total = len(z1), [*z1, *z2], 0.0
    for i in range(2 * n):
        logits = {j: cosine(z[i], z[j]) / temperature for j in range(2 * n) if j != i}
        weights = {j: similarity[i % n][j % n] for j in logits}
        norm = log_sum_exp(logits.values())
        if sum(weights.values()):
            total -= sum(weights[j] * (logits[j] - norm) for j in logits) / sum(weights.values())
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_the_loops(temperature):
    z1, z2 = as32(random_views((5, 4)))
    f = similarities()
    f[2] = 0.0  # no positive at all
    expected = reference(z1.astype("float64"), z2.astype("float64"), f, temperature)
    assert float(soft_sup_con_loss(z1, z2, f, temperature)) == pytest.approx(expected, rel=1e-5)


def test_of_classes_it_is_sup_con():
    z1, z2 = as32(random_views((5, 4)))
    blocks = (LABELS[:, None] == LABELS[None, :]).astype("float32")
    assert float(soft_sup_con_loss(z1, z2, blocks)) == pytest.approx(float(sup_con_loss(z1, z2, LABELS)), rel=1e-6)


def test_of_the_identity_it_is_simclr():
    z1, z2 = as32(random_views((5, 4)))
    loss = float(soft_sup_con_loss(z1, z2, np.eye(5), 0.2))
    assert loss == pytest.approx(float(nt_xent_loss(z1, z2, 0.2)), rel=1e-6)


def test_the_scale_of_a_row_does_not_matter():
    z1, z2 = as32(random_views((5, 4)))
    f = similarities()
    assert float(soft_sup_con_loss(z1, z2, 3 * f)) == pytest.approx(float(soft_sup_con_loss(z1, z2, f)), rel=1e-6)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((5, 3), seed=3)
    f = similarities()
    value, gradients = value_and_gradients(lambda a, b: soft_sup_con_loss(a, b, f, 0.5), z1, z2)
    assert value == pytest.approx(reference(z1, z2, f, 0.5), rel=1e-6)  # similarities are float32
    expected = finite_differences(lambda a, b: reference(a, b, f, 0.5), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=max(tolerance, 1e-6))


def test_zero_rows_have_finite_gradients(value_and_gradients):
    zero = np.zeros((3, 2))
    _, gradients = value_and_gradients(lambda a, b: soft_sup_con_loss(a, b, np.zeros((3, 3))), zero, zero)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = as32(random_views((5, 4)))
    f = similarities().astype("float32")
    assert compiled(soft_sup_con_loss, z1, z2, f) == pytest.approx(float(soft_sup_con_loss(z1, z2, f)), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "Received: temperature=0"),
        ({"temperature": float("nan")}, "Received: temperature=nan"),
        ({"temperature": float("inf")}, "Received: temperature=inf"),
        ({"similarity": np.eye(4)}, r"`similarity` must be \[N, N\] .* Received: similarity.shape=\(4, 4\)"),
        ({"similarity": np.ones(5)}, r"Received: similarity.shape=\(5,\)"),
        ({"similarity": -np.eye(5)}, "Received: similarity=-1.0"),
        ({"similarity": np.full((5, 5), np.nan)}, "Received: similarity=nan"),
    ],
)
def test_errors(options, message):
    z1, z2 = as32(random_views((5, 4)))
    with pytest.raises(ValueError, match=message):
        soft_sup_con_loss(z1, z2, **{"similarity": np.eye(5), **options})
