import numpy as np
import pytest

from keras_ssl.losses import pair_loss

RNG = np.random.default_rng(0)
S = RNG.uniform(-1, 1, (4, 6))
Y = RNG.uniform(0, 1, (4, 6))
MASK = (RNG.uniform(size=(4, 6)) > 0.2).astype("float64")
Y[0], Y[1, :3], Y[2, 4] = 0.0, 1.0, 0.0
OPTIONS = {
    "contrastive": {"margin": 0.2},
    "multi_similarity": {"positive_scale": 2.0, "negative_scale": 5.0, "margin": 0.4},
    "proxy_anchor": {"scale": 4.0, "margin": 0.1},
}


def reference(s, y, base, mask=None, **options):
    mask = np.ones_like(s) if mask is None else mask
    m, pulled, pushed, present = options["margin"], [], [], []
    for a in range(len(s)):
        plus = minus = 0.0
        for j in range(s.shape[1]):
            if base == "contrastive":
                rho = -s[a, j], max(0.0, s[a, j] - m)
            elif base == "multi_similarity":
                b, g = options["positive_scale"], options["negative_scale"]
                rho = np.exp(-b * (s[a, j] - m)), np.exp(g * (s[a, j] - m))
            else:
                rho = np.exp(-options["scale"] * (s[a, j] - m)), np.exp(options["scale"] * (s[a, j] + m))
            plus += mask[a, j] * y[a, j] * rho[0]
            minus += mask[a, j] * (1 - y[a, j]) * rho[1]
        if base == "multi_similarity":
            plus, minus = np.log(1 + plus) / b, np.log(1 + minus) / g
        elif base == "proxy_anchor":
            plus, minus = np.log(1 + plus), np.log(1 + minus)
        pulled.append(plus)
        pushed.append(minus)
        present.append(bool((mask[a] * y[a] > 0).any()))
    if base == "proxy_anchor":
        return sum(pulled) / max(1, sum(present)) + np.mean(pushed)
    return np.mean(pulled) + np.mean(pushed)


@pytest.mark.parametrize("base", OPTIONS)
@pytest.mark.parametrize("mask", [None, MASK])
def test_equals_the_loops(base, mask):
    found = float(pair_loss(S.astype("float32"), Y, base, mask, **OPTIONS[base]))
    assert found == pytest.approx(reference(S, Y, base, mask, **OPTIONS[base]), rel=1e-5)


@pytest.mark.parametrize("base", OPTIONS)
def test_gradient_equals_finite_differences(base, value_and_gradients, finite_differences, tolerance):
    _, gradients = value_and_gradients(lambda s: pair_loss(s, Y, base, MASK, **OPTIONS[base]), S)
    expected = finite_differences(lambda s: reference(s, Y, base, MASK, **OPTIONS[base]), S)
    np.testing.assert_allclose(gradients, expected, atol=max(tolerance, 1e-7))  # labels may be float32


@pytest.mark.parametrize("base", OPTIONS)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_label_near_0_or_1_goes_to_the_plain_pair(base, label):
    hard = np.where(Y > 0.5, 1.0, 0.0)
    hard[1, 5] = label
    soft = hard.copy()
    soft[1, 5] = abs(label - 1e-6)
    assert float(pair_loss(S, soft, base, **OPTIONS[base])) == pytest.approx(
        float(pair_loss(S, hard, base, **OPTIONS[base])), rel=1e-4
    )


@pytest.mark.parametrize("base", OPTIONS)
def test_nothing_that_counts_is_no_loss(base, value_and_gradients):
    value, (gradient,) = value_and_gradients(lambda s: pair_loss(s, Y, base, np.zeros((4, 6))), S)
    assert value == 0.0 and not gradient.any()


def test_extreme_scales_do_not_overflow(value_and_gradients):
    options = {"positive_scale": 1e4, "negative_scale": 1e4}
    value, (gradient,) = value_and_gradients(lambda s: pair_loss(s, Y, **options), S, dtype="float32")
    assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize("base", OPTIONS)
def test_compiled_equals_eager(base, compiled):
    s, y = S.astype("float32"), Y.astype("float32")
    expected = reference(S, Y, base, **OPTIONS[base])
    assert compiled(lambda a, b: pair_loss(a, b, base, **OPTIONS[base]), s, y) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": "triplet"}, "Received: base='triplet'"),
        ({"base": "contrastive", "scale": 2.0}, "takes .'margin'.. Received: scale=2.0"),
        ({"positive_scale": 0}, "Received: positive_scale=0"),
        ({"margin": np.nan}, "Received: margin=nan"),
        ({"targets": Y[:2]}, r"Received: similarities.shape=\(4, 6\), targets.shape=\(2, 6\)"),
        ({"targets": Y + 0.5}, "Received: targets="),
        ({"mask": MASK - 1}, "Received: mask=-1.0"),
        ({"mask": MASK[:1]}, r"mask.shape=\(1, 6\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        pair_loss(**{"similarities": S, "targets": Y, **options})
