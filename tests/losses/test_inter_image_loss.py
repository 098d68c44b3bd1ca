import keras
import numpy as np
import pytest

from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.inter_image_loss import inter_image_loss


def arrays(n=5, k=4, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)), rng.normal(size=(n, k, d))


def float32(given):
    return [np.asarray(array, "float32") for array in given]


def unit(x):
    return x / np.linalg.norm(x)


def reference(queries, positives, negatives, temperature=0.2, margin=-0.5, excluded=None, weights=None):
    total, share = 0.0, 0.0
    for i, query in enumerate(queries):
        positive = (unit(query) @ unit(positives[i]) - margin) / temperature
        rivals = [
            unit(query) @ unit(n) / temperature
            for j, n in enumerate(negatives[i])
            if not (excluded is not None and excluded[i, j])
        ]
        weight = 1.0 if weights is None else weights[i]
        total += weight * (np.logaddexp.reduce([positive, *rivals]) - positive)
        share += weight
    return total / share


EXCLUDED = np.random.default_rng(5).random((5, 4)) < 0.4
WEIGHTS = np.array([1.0, 0.0, 2.0, 1.0, 0.0])


@pytest.mark.parametrize(
    "options", [{}, {"excluded": EXCLUDED}, {"weights": WEIGHTS}, {"temperature": 0.07, "margin": 0.3}]
)
def test_equals_the_loops(options):
    given = arrays()
    converted = {k: v.astype("float32") if k == "weights" else v for k, v in options.items()}
    assert float(inter_image_loss(*float32(given), **converted)) == pytest.approx(
        reference(*given, **options), rel=1e-5
    )


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    given = arrays()
    value, gradients = value_and_gradients(lambda q, p, n: inter_image_loss(q, p, n, 0.5), *given)
    assert value == pytest.approx(reference(*given, 0.5), rel=max(tolerance, 1e-6))
    expected = finite_differences(lambda q, p, n: reference(q, p, n, 0.5), *given)
    for have, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(have, want, atol=max(tolerance, 1e-6))


def test_the_margin_shifts_the_positive_logit_by_minus_margin_over_temperature():
    # methods.tsv S018. With one negative the loss is softplus(negative - positive).
    q, p, n = float32(arrays(n=1, k=1))
    logit = {}
    for margin in (0.0, -0.5):
        loss = float(inter_image_loss(q, p, n, 0.2, margin))
        logit[margin] = -np.log(np.expm1(loss))
    assert logit[-0.5] - logit[0.0] == pytest.approx(0.5 / 0.2, rel=1e-3)


def test_without_a_margin_and_with_common_negatives_it_is_info_nce():
    q, p, n = float32(arrays())
    common = np.broadcast_to(n[:1], n.shape)
    expected = float(info_nce_loss(q, p, 0.2, negatives=n[0]))
    assert float(inter_image_loss(q, p, common, 0.2, 0.0)) == pytest.approx(expected, rel=1e-5)


def test_no_known_sample_is_no_loss(value_and_gradients):
    value, gradients = value_and_gradients(
        lambda q, p, n: inter_image_loss(q, p, n, weights=keras.ops.zeros((5,), dtype=q.dtype)), *arrays()
    )
    assert value == 0.0 and not any(gradient.any() for gradient in gradients)


def test_compiled_equals_eager(compiled):
    given = float32(arrays())
    assert compiled(inter_image_loss, *given) == pytest.approx(float(inter_image_loss(*given)), rel=1e-5)


def test_half_precision_is_computed_in_float32(rounded):
    pairs = [rounded(array * 100, "float16") for array in arrays()]
    found = inter_image_loss(*(half for half, _ in pairs))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(found) == pytest.approx(reference(*(exact for _, exact in pairs)), rel=1e-4)


def test_errors():
    q, p, n = float32(arrays())
    with pytest.raises(ValueError, match="Received: temperature=0"):
        inter_image_loss(q, p, n, 0)
    with pytest.raises(ValueError, match="Received: shapes"):
        inter_image_loss(q, p[:2], n)
