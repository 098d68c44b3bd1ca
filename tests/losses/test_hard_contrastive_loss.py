import math

import numpy as np
import pytest

from keras_ssl.losses.hard_contrastive_loss import easy_negatives, hard_contrastive_loss
from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.view_similarities import view_similarities
from tests.losses.reference import as32, cosine, log_sum_exp, random_views


def reference(z1, z2, temperature=0.1, quantile=0.9):
    n, z = len(z1), [*z1, *z2]
    total = 0.0
    for i in range(2 * n):
        positive = cosine(z[i], z[(i + n) % (2 * n)])
        negatives = sorted(cosine(z[i], z[j]) for j in range(2 * n) if j % n != i % n)
        hard = negatives[math.floor(quantile * len(negatives)) :]
        total += log_sum_exp([s / temperature for s in (positive, *hard)]) - positive / temperature
    return total / (2 * n)


@pytest.mark.parametrize("shape", [(2, 3), (6, 4)])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("quantile", [0.25, 0.5, 0.9, 0.999])
def test_equals_the_loops(shape, temperature, quantile):
    z1, z2 = as32(random_views(shape))
    expected = reference(z1.astype("float64"), z2.astype("float64"), temperature, quantile)
    loss = float(hard_contrastive_loss(z1, z2, temperature, quantile))
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_quantile_0_is_info_nce(temperature):
    z1, z2 = as32(random_views((6, 4)))
    assert float(hard_contrastive_loss(z1, z2, temperature, 0.0)) == float(nt_xent_loss(z1, z2, temperature))
    # And the selection itself, not only the way around it, keeps everything when so little is left out.
    assert float(hard_contrastive_loss(z1, z2, temperature, 1e-6)) == float(nt_xent_loss(z1, z2, temperature))


def test_what_is_easy_has_no_say():
    # Samples 0 and 1 are near each other and far from sample 2. Each keeps two of its four negatives: each other.
    z1 = np.array([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0], [-1.0, 0.0, 0.2]], "float32")
    z2 = np.array([[1.0, 0.0, 0.1], [1.0, 0.0, -0.1], [-1.0, 0.0, -0.2]], "float32")
    pairs = view_similarities(z1, z2)
    easy = np.asarray(easy_negatives(pairs, 0.5))
    expected = np.zeros((6, 6), bool)
    for row in (0, 1, 3, 4):
        expected[row, [2, 5]] = True
    np.testing.assert_array_equal(easy[[0, 1, 3, 4]], expected[[0, 1, 3, 4]])
    assert not np.asarray(easy)[np.asarray(pairs.same_sample)].any()


def test_the_loss_falls_as_the_quantile_rises_and_one_negative_is_always_left():
    z1, z2 = as32(random_views((6, 4)))
    losses = [float(hard_contrastive_loss(z1, z2, 0.5, quantile)) for quantile in (0.0, 0.3, 0.6, 0.9, 0.9999999)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(reference(z1, z2, 0.5, 0.95), rel=1e-5)  # floor(0.95 * 10) = 9 of 10 are out
    assert losses[-1] > 0.0


def test_equal_embeddings_have_no_easy_negatives():
    z = np.tile(np.array([[1.0, 2.0]], "float32"), (6, 1))
    assert float(hard_contrastive_loss(z, z)) == pytest.approx(np.log(11), abs=1e-5)


def test_orthonormal_embeddings_have_a_closed_form():
    # Equal cosines are all at the threshold.
    z = np.eye(6, dtype="float32")
    assert float(hard_contrastive_loss(z, z, 0.5, 0.8)) == pytest.approx(np.log1p(10 * np.exp(-2.0)), rel=1e-5)


def test_a_small_temperature_gives_the_triplet_limit():
    # T * loss -> max(0, hardest negative - positive)
    z1, z2 = as32(random_views((6, 4), seed=1))
    z, hinges = np.concatenate([z1, z2]), []
    for i in range(12):
        hardest = max(cosine(z[i], z[j]) for j in range(12) if j % 6 != i % 6)
        hinges.append(max(0.0, hardest - cosine(z[i], z[(i + 6) % 12])))
    assert 1e-3 * float(hard_contrastive_loss(z1, z2, 1e-3)) == pytest.approx(np.mean(hinges), abs=1e-3)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((4, 3), seed=3)
    value, gradients = value_and_gradients(lambda a, b: hard_contrastive_loss(a, b, 0.5, 0.6), z1, z2)
    assert value == pytest.approx(reference(z1, z2, 0.5, 0.6), rel=tolerance)
    expected = finite_differences(lambda a, b: reference(a, b, 0.5, 0.6), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in random_views((6, 4)))
    assert float(hard_contrastive_loss(z1, z2, 0.01, 0.5)) == pytest.approx(
        reference(exact1, exact2, 0.01, 0.5), rel=1e-4
    )
    _, gradients = value_and_gradients(lambda a, b: hard_contrastive_loss(a, b, 0.01), exact1, exact2, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = as32(random_views((6, 4)))
    assert compiled(hard_contrastive_loss, z1, z2) == pytest.approx(float(hard_contrastive_loss(z1, z2)), rel=1e-5)


@pytest.mark.parametrize("quantile", [-0.1, 1.0, float("nan")])
def test_refuses_a_quantile_out_of_range(quantile):
    z1, z2 = as32(random_views((4, 3)))
    with pytest.raises(ValueError, match=f"`quantile` must lie in .* Received: quantile={quantile}"):
        hard_contrastive_loss(z1, z2, 0.1, quantile)


def penalties(temperature, quantile, value_and_gradients):
    """The derivatives of one anchor's loss by its similarities: (by the positive, by each negative)."""
    similarities = np.array([[0.3, 0.9, 0.5, 0.1, -0.4]])  # the positive first
    easy = np.zeros((1, 5), bool)
    easy[0, 1:] = similarities[0, 1:] < np.quantile(similarities[0, 1:], quantile)
    labels = np.zeros(1, "int32")
    _, (gradient,) = value_and_gradients(
        lambda s: contrastive_cross_entropy(s / temperature, labels, easy), similarities
    )
    return gradient[0, 0], gradient[0, 1:]


@pytest.mark.parametrize("quantile", [0.0, 0.5])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_pull_of_the_positive_equals_the_push_of_all_negatives(temperature, quantile, value_and_gradients):
    pull, push = penalties(temperature, quantile, value_and_gradients)
    assert -pull == pytest.approx(push.sum(), rel=1e-5) and (push >= 0).all()
    assert (push == 0).sum() == (0 if quantile == 0 else 2)


def test_relative_penalties_tend_to_uniform_and_to_the_nearest_negative(value_and_gradients):
    for temperature, expected in ((100.0, [0.25] * 4), (0.02, [1.0, 0.0, 0.0, 0.0])):
        _, push = penalties(temperature, 0.0, value_and_gradients)
        np.testing.assert_allclose(push / push.sum(), expected, atol=0.01)
