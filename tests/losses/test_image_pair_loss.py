import numpy as np
import pytest

from keras_ssl.losses.image_pair_loss import image_pair_loss
from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy, info_nce_loss
from keras_ssl.losses.view_similarities import view_similarities
from tests.losses.reference import as32, cosine, log_sum_exp, random_views

GROUPS = np.array([5, 2, 5, 7, 2, 1], "int32")


def reference(z1, z2, temperature=0.07, group=None, smoothing=0.0):
    n, total = len(z1), 0.0
    group = range(n) if group is None else group
    for first, second in ((z1, z2), (z2, z1)):
        for i in range(n):
            logits = {j: cosine(first[i], second[j]) / temperature for j in range(n) if j == i or group[j] != group[i]}
            target = (1 - smoothing) * logits[i] + smoothing * np.mean(list(logits.values()))
            total += log_sum_exp(logits.values()) - target
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("group", [None, GROUPS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_the_loops(temperature, group, smoothing):
    z1, z2 = as32(random_views((6, 4)))
    expected = reference(z1.astype("float64"), z2.astype("float64"), temperature, group, smoothing)
    loss = float(image_pair_loss(z1, z2, temperature, group, smoothing))
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_equals_the_clip_loss():
    # Both directions of InfoNCE, each tower's output against the other's.
    z1, z2 = as32(random_views((6, 4)))
    expected = (float(info_nce_loss(z1, z2, 0.2)) + float(info_nce_loss(z2, z1, 0.2))) / 2
    assert float(image_pair_loss(z1, z2, 0.2)) == pytest.approx(expected, rel=1e-5)


def test_orthonormal_pairs_have_a_closed_form():
    z = np.eye(6, dtype="float32")
    assert float(image_pair_loss(z, z, 0.5)) == pytest.approx(np.log1p(5 * np.exp(-2.0)), rel=1e-5)


def test_equals_nt_xent_without_negatives_from_the_own_view():
    z1, z2 = as32(random_views((6, 4)))
    pairs = view_similarities(z1, z2)
    expected = contrastive_cross_entropy(pairs.cosines / 0.2, pairs.partner, pairs.same_view)
    assert float(image_pair_loss(z1, z2, 0.2)) == pytest.approx(float(expected), rel=1e-5)


def test_rows_of_one_identity_are_not_negatives():
    # All of one identity: nothing to tell apart.
    z1, z2 = as32(random_views((6, 4)))
    assert float(image_pair_loss(z1, z2, 0.2, np.zeros(6, "int32"))) == pytest.approx(0.0, abs=1e-6)
    alone = float(image_pair_loss(z1, z2, 0.2, np.arange(6, dtype="int32")))
    assert alone == pytest.approx(float(image_pair_loss(z1, z2, 0.2)), rel=1e-6)
    assert 0.0 < float(image_pair_loss(z1, z2, 0.2, GROUPS)) < alone


def test_the_chance_value_is_the_logarithm_of_the_batch():
    z = np.tile(np.array([[1.0, 2.0]], "float32"), (6, 1))
    for smoothing in (0.0, 0.1):
        assert float(image_pair_loss(z, z, label_smoothing=smoothing)) == pytest.approx(np.log(6), abs=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradient_equals_finite_differences(smoothing, value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((6, 3), seed=3)
    temperature = np.array(0.5)  # learned, too
    value, gradients = value_and_gradients(
        lambda a, b, t: image_pair_loss(a, b, t, GROUPS, smoothing), z1, z2, temperature
    )
    assert value == pytest.approx(reference(z1, z2, 0.5, GROUPS, smoothing), rel=tolerance)
    expected = finite_differences(lambda a, b, t: reference(a, b, t, GROUPS, smoothing), z1, z2, temperature)
    for have, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(have, want, atol=tolerance)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in random_views((6, 4)))
    assert float(image_pair_loss(z1, z2, 0.01)) == pytest.approx(reference(exact1, exact2, 0.01), rel=1e-4)
    _, gradients = value_and_gradients(lambda a, b: image_pair_loss(a, b, 0.01), exact1, exact2, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = as32(random_views((6, 4)))

    def loss(a, b, group):
        return image_pair_loss(a, b, 0.2, group, 0.1)

    assert compiled(loss, z1, z2, GROUPS) == pytest.approx(float(loss(z1, z2, GROUPS)), rel=1e-5)


def test_errors():
    z1, z2 = as32(random_views((6, 4)))
    with pytest.raises(ValueError, match="`temperature` must be greater than 0. Received: temperature=0"):
        image_pair_loss(z1, z2, 0)
    with pytest.raises(ValueError, match="`label_smoothing` must lie in .* Received: label_smoothing=1"):
        image_pair_loss(z1, z2, label_smoothing=1)
    with pytest.raises(ValueError, match="Received: shapes"):
        image_pair_loss(z1, z2[:3])
