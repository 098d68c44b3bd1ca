import numpy as np
import pytest

from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.sup_con_loss import sup_con_loss
from tests.losses.reference import as32, cosine, log_sum_exp, random_views

LABELS = np.array([0, 1, 0, -1, 1, -1], "int32")


def reference(z1, z2, labels, temperature=0.1, form="out"):
    n, z = len(z1), [*z1, *z2]
    total = 0.0
    for i in range(2 * n):
        logits = {j: cosine(z[i], z[j]) / temperature for j in range(2 * n) if j != i}
        mates = [j for j in logits if j % n == i % n or (labels[i % n] >= 0 and labels[j % n] == labels[i % n])]
        log_p = [logits[j] - log_sum_exp(logits.values()) for j in mates]
        total -= np.mean(log_p) if form == "out" else np.log(np.mean(np.exp(log_p)))
    return total / (2 * n)


@pytest.mark.parametrize("form", ["out", "in"])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("labels", [LABELS, np.zeros(6, "int32"), np.array([3, 3, 3, 2, 2, 7], "int32")])
def test_equals_the_loops(form, temperature, labels):
    z1, z2 = as32(random_views((6, 4)))
    expected = reference(z1.astype("float64"), z2.astype("float64"), labels, temperature, form)
    assert float(sup_con_loss(z1, z2, labels, temperature, form)) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("form", ["out", "in"])
@pytest.mark.parametrize("labels", [-np.ones(6, "int32"), np.arange(6, dtype="int32")])
def test_without_shared_labels_it_is_nt_xent(form, labels):
    z1, z2 = as32(random_views((6, 4)))
    loss = float(sup_con_loss(z1, z2, labels, 0.2, form))
    assert loss == pytest.approx(float(nt_xent_loss(z1, z2, 0.2)), rel=1e-6)


def test_all_of_one_class_in_one_point_have_a_closed_form():
    # Nobody can be told apart from anybody: log(2N - 1), however low the temperature.
    z = np.tile(np.array([[1.0, 2.0]], "float32"), (6, 1))
    for form in ("out", "in"):
        assert float(sup_con_loss(z, z, np.zeros(6, "int32"), 0.01, form)) == pytest.approx(np.log(11), abs=1e-4)


def test_perfect_clusters_have_a_closed_form():
    # Two classes of 3 samples at right angles: 5 positives at 1 and 6 negatives at 0.
    z = np.repeat(np.eye(2, dtype="float32"), 3, axis=0)
    labels = np.array([4, 4, 4, 9, 9, 9], "int32")
    expected = np.log(5 + 6 * np.exp(-2.0))
    for form in ("out", "in"):
        assert float(sup_con_loss(z, z, labels, 0.5, form)) == pytest.approx(expected, rel=1e-5)


def test_in_is_never_larger_than_out():
    for seed in range(5):
        z1, z2 = as32(random_views((6, 4), seed=seed))
        assert float(sup_con_loss(z1, z2, LABELS, form="in")) < float(sup_con_loss(z1, z2, LABELS, form="out"))


def test_the_base_temperature_scales_the_loss():
    z1, z2 = as32(random_views((6, 4)))
    plain = float(sup_con_loss(z1, z2, LABELS, 0.14))
    assert float(sup_con_loss(z1, z2, LABELS, 0.14, base_temperature=0.07)) == pytest.approx(2 * plain, rel=1e-5)


@pytest.mark.parametrize("form", ["out", "in"])
def test_gradient_equals_finite_differences(form, value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((6, 3), seed=3)
    value, gradients = value_and_gradients(lambda a, b: sup_con_loss(a, b, LABELS, 0.5, form), z1, z2)
    assert value == pytest.approx(reference(z1, z2, LABELS, 0.5, form), rel=tolerance)
    expected = finite_differences(lambda a, b: reference(a, b, LABELS, 0.5, form), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
@pytest.mark.parametrize("form", ["out", "in"])
def test_half_precision_is_computed_in_float32(dtype, magnitude, form, rounded, value_and_gradients):
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in random_views((6, 4)))
    expected = reference(exact1, exact2, LABELS, 0.01, form)
    assert float(sup_con_loss(z1, z2, LABELS, 0.01, form)) == pytest.approx(expected, rel=1e-4)
    _, gradients = value_and_gradients(lambda a, b: sup_con_loss(a, b, LABELS, 0.01, form), exact1, exact2, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = as32(random_views((6, 4)))
    assert compiled(sup_con_loss, z1, z2, LABELS) == pytest.approx(float(sup_con_loss(z1, z2, LABELS)), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "`temperature` must be greater than 0. Received: temperature=0"),
        ({"form": "both"}, "`form` must be one of .* Received: form='both'"),
        ({"base_temperature": -1}, "`base_temperature` must be greater than 0. Received: base_temperature=-1"),
        ({"labels": np.zeros(6, "float32")}, "integers .* Received: labels of type float32"),
        ({"labels": np.zeros((6, 1), "int32")}, "integers .* shape"),
    ],
)
def test_errors(options, message):
    z1, z2 = as32(random_views((6, 4)))
    with pytest.raises(ValueError, match=message):
        sup_con_loss(z1, z2, **{"labels": LABELS, **options})
