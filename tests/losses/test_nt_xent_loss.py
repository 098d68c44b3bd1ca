import keras
import numpy as np
import pytest

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy, info_nce_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss


def views(shape, seed=0):
    z1, z2 = np.random.default_rng(seed).normal(size=(2, *shape))
    return z1, 0.6 * z1 + 0.8 * z2


def pair32(shape, seed=0):
    return [z.astype("float32") for z in views(shape, seed)]


def cosine(a, b):
    return np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))


def reference(z1, z2, temperature=0.1):
    n = len(z1)
    z = [*z1, *z2]
    total = 0.0
    for i in range(2 * n):
        partner = i + n if i < n else i - n
        others = [cosine(z[i], z[j]) / temperature for j in range(2 * n) if j != i]
        total += np.logaddexp.reduce(others) - cosine(z[i], z[partner]) / temperature
    return total / (2 * n)


@pytest.mark.parametrize("shape", [(1, 3), (6, 4)])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_the_loops(shape, temperature):
    z1, z2 = pair32(shape, seed=sum(shape))
    expected = reference(z1.astype("float64"), z2.astype("float64"), temperature)
    assert float(nt_xent_loss(z1, z2, temperature)) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("n", [1, 6])
def test_the_chance_value_is_the_logarithm_of_all_others(n):
    z = np.tile(np.array([[1.0, 2.0, -1.0, 0.5]], "float32"), (n, 1))
    assert float(nt_xent_loss(z, z)) == pytest.approx(np.log(2 * n - 1), abs=1e-5)
    assert float(nt_xent_loss(0.0 * z, 0.0 * z)) == pytest.approx(np.log(2 * n - 1), abs=1e-5)


def test_orthonormal_embeddings_have_a_closed_form():
    # The partner at cosine 1 and 2N - 2 others at 0: log(1 + (2N - 2) exp(-1 / T)).
    z = np.eye(6, dtype="float32")
    assert float(nt_xent_loss(z, z, 0.5)) == pytest.approx(np.log1p(10 * np.exp(-2.0)), rel=1e-5)


def test_two_opposite_samples_have_a_closed_form():
    # N = 2: the partner at cosine 1, both views of the other image at -1.
    z = np.array([[2.0, 0.0], [-1.0, 0.0]], "float32")
    assert float(nt_xent_loss(z, z, 1.0)) == pytest.approx(np.log1p(2 * np.exp(-2.0)), rel=1e-5)


def test_equals_info_nce_row_by_row_with_the_other_images_as_negatives():
    z1, z2 = pair32((3, 4))
    z = np.concatenate([z1, z2])
    rows = []
    for i in range(6):
        partner = (i + 3) % 6
        negatives = np.delete(z, [i, partner], axis=0)
        rows.append(float(info_nce_loss(z[i : i + 1], z[partner : partner + 1], 0.2, negatives)))
    assert float(nt_xent_loss(z1, z2, 0.2)) == pytest.approx(np.mean(rows), rel=1e-5)


def test_equals_the_cross_entropy_of_the_logits_without_the_diagonal():
    z1, z2 = pair32((6, 4))
    z = np.concatenate([z1, z2])
    logits = np.array([[cosine(a, b) / 0.2 for b in z] for a in z], "float32")
    labels = np.roll(np.arange(12, dtype="int32"), 6)
    expected = float(contrastive_cross_entropy(logits, labels, np.eye(12, dtype=bool)))
    assert float(nt_xent_loss(z1, z2, 0.2)) == pytest.approx(expected, rel=1e-5)
    # The same by leaving the diagonal out of the matrix.
    off = logits[~np.eye(12, dtype=bool)].reshape(12, 11)
    places = np.where(labels > np.arange(12), labels - 1, labels).astype("int32")
    assert float(contrastive_cross_entropy(off, places)) == pytest.approx(expected, rel=1e-5)


def test_is_symmetric_in_the_views():
    z1, z2 = pair32((6, 4))
    assert float(nt_xent_loss(z1, z2)) == pytest.approx(float(nt_xent_loss(z2, z1)), rel=1e-6)


def test_both_directions_count():
    # Rows of the second view have partners as well: moving one of them changes its own row's term too.
    z1, z2 = pair32((3, 4))
    forward = [
        np.logaddexp.reduce([cosine(z1[i], z) / 0.1 for z in (*np.delete(z1, i, axis=0), *z2)])
        - cosine(z1[i], z2[i]) / 0.1
        for i in range(3)
    ]
    loss = float(nt_xent_loss(z1, z2))
    assert loss == pytest.approx(reference(z1, z2), rel=1e-5)
    assert abs(loss - np.mean(forward)) > 1e-2


def test_the_order_in_which_replicas_are_gathered_does_not_matter_but_the_pairing_does():
    z1, z2 = pair32((6, 4))
    replicas = [slice(0, 2), slice(2, 4), slice(4, 6)]
    expected = float(nt_xent_loss(z1, z2))
    for order in ([2, 0, 1], [1, 0, 2]):
        gathered = [np.concatenate([z[replicas[r]] for r in order]) for z in (z1, z2)]
        assert float(nt_xent_loss(*gathered)) == pytest.approx(expected, rel=1e-5)
    assert abs(float(nt_xent_loss(z1[::-1].copy(), z2)) - expected) > 0.1


def test_depends_on_directions_alone():
    z1, z2 = pair32((6, 4))
    lengths = np.random.default_rng(1).uniform(0.01, 100, (6, 1)).astype("float32")
    assert float(nt_xent_loss(z1 * lengths, z2 / lengths)) == pytest.approx(float(nt_xent_loss(z1, z2)), rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 3), (6, 4)])
def test_gradient_equals_finite_differences(shape, value_and_gradients, finite_differences, tolerance):
    z1, z2 = views(shape, seed=3)
    value, gradients = value_and_gradients(lambda a, b: nt_xent_loss(a, b, 0.5), z1, z2)
    assert value == pytest.approx(reference(z1, z2, 0.5), rel=tolerance)
    expected = finite_differences(lambda a, b: reference(a, b, 0.5), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_zero_row_has_no_gradient_and_harms_no_other(dtype, value_and_gradients):
    z1, z2 = views((4, 3))
    z1[1] = 0.0
    value, gradients = value_and_gradients(lambda a, b: nt_xent_loss(a, b, 1.0), z1, z2, dtype=dtype)
    assert np.isfinite(value) and np.isfinite(gradients).all()
    np.testing.assert_array_equal(gradients[0][1], 0.0)
    assert (np.abs(gradients[0][[0, 2, 3]]).max(1) > 1e-3).all()


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
@pytest.mark.parametrize("temperature", [0.01, 0.001])
def test_half_precision_is_computed_in_float32(dtype, magnitude, temperature, rounded, value_and_gradients):
    # A diagonal of 1e9 would be infinite in float16, and its product with a mask of zeros NaN.
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in views((6, 4)))
    loss = nt_xent_loss(z1, z2, temperature)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact1, exact2, temperature), rel=1e-4)
    _, gradients = value_and_gradients(lambda a, b: nt_xent_loss(a, b, temperature), exact1, exact2, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = pair32((6, 4))
    assert compiled(nt_xent_loss, z1, z2) == pytest.approx(float(nt_xent_loss(z1, z2)), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -0.1, float("nan")])
def test_refuses_a_temperature_that_is_not_positive(temperature):
    z1, z2 = pair32((4, 3))
    with pytest.raises(ValueError, match=f"`temperature` must be greater than 0. Received: temperature={temperature}"):
        nt_xent_loss(z1, z2, temperature)


@pytest.mark.parametrize(("first", "second"), [((4, 3), (4, 2)), ((4, 3), (2, 3)), ((4,), (4,))])
def test_refuses_embeddings_of_different_shapes(first, second):
    with pytest.raises(ValueError, match="Received: shapes"):
        nt_xent_loss(np.ones(first, "float32"), np.ones(second, "float32"))
