from functools import partial

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from keras_ssl.merging import DynamicLogitFusion

RNG = np.random.default_rng(0)
LARGE, BASE, EXPERT, OTHER = RNG.normal(size=(4, 6, 5))
FUSION = DynamicLogitFusion()


def kl(a, b):
    return float((softmax(a) * (log_softmax(a) - log_softmax(b))).sum())


def test_one_expert_equals_a_root_finder():
    alphas = FUSION.alphas(LARGE, [EXPERT], BASE)
    assert alphas.shape == (1, 6)
    for large, expert, base, alpha in zip(LARGE, EXPERT, BASE, alphas[0], strict=True):
        d = expert - base
        left = partial(lambda large, d, far, a: kl(large + a * d, large) - far, large, d, kl(expert, base))
        assert alpha == pytest.approx(brentq(left, 0.0, 10.0, xtol=1e-12) if left(10.0) > 0 else 10.0, abs=1e-7)
    np.testing.assert_allclose(FUSION(LARGE, [EXPERT], BASE), LARGE + alphas[0][:, None] * (EXPERT - BASE))


def test_a_large_model_like_the_small_one_becomes_the_expert():
    np.testing.assert_allclose(FUSION(BASE, [EXPERT], BASE), EXPERT, atol=1e-9)
    np.testing.assert_allclose(FUSION.alphas(BASE, [EXPERT], BASE), 1.0, atol=1e-9)


def test_an_expert_that_was_not_tuned_changes_nothing():
    np.testing.assert_array_equal(FUSION(LARGE, [BASE], BASE), LARGE)
    np.testing.assert_array_equal(FUSION(LARGE, [BASE + 3.0], BASE), LARGE)
    np.testing.assert_allclose(FUSION(LARGE, [EXPERT, BASE], BASE), FUSION(LARGE, [EXPERT], BASE), atol=1e-9)


def test_equal_experts_are_one_and_the_farthest_sets_how_far():
    np.testing.assert_allclose(FUSION(LARGE, [EXPERT] * 3, BASE), FUSION(LARGE, [EXPERT], BASE), atol=1e-9)
    fused = FUSION(LARGE, [EXPERT, OTHER], BASE)
    for row in range(6):
        wanted = max(kl(EXPERT[row], BASE[row]), kl(OTHER[row], BASE[row]))
        assert kl(fused[row], LARGE[row]) <= wanted + 1e-9


@pytest.mark.parametrize("place", range(3))
def test_constants_added_to_logits_change_no_probability(place):
    given = [LARGE, EXPERT, BASE]
    moved = [value + 7.0 * (k == place) for k, value in enumerate(given)]
    results = [softmax(FUSION(large, [expert], base), axis=-1) for large, expert, base in (given, moved)]
    np.testing.assert_allclose(*results, atol=1e-9)


def test_alpha_ends_where_the_large_model_cannot_follow():
    large, base = np.array([[50.0, 0.0]]), np.zeros((1, 2))
    expert = np.array([[3.0, 0.0]])  # the large model is sure of this already
    assert FUSION.alphas(large, [expert], base)[0, 0] == 10.0
    assert DynamicLogitFusion(most=2.0).alphas(large, [expert], base)[0, 0] == 2.0


def test_any_leading_axes():
    found = FUSION(LARGE.reshape(2, 3, 5), [EXPERT.reshape(2, 3, 5)], BASE.reshape(2, 3, 5))
    np.testing.assert_allclose(found.reshape(6, 5), FUSION(LARGE, [EXPERT], BASE))


@pytest.mark.parametrize(
    ("large", "experts", "base", "message"),
    [
        (LARGE, [], BASE, "`experts` must hold logits of one or more"),
        (LARGE, [EXPERT[:2]], BASE, r"must be logits of the shape of `large`. Received: large=\(6, 5\), and \(2, 5\)"),
        (LARGE, [EXPERT], BASE[:, :1], "`base` must be logits"),
        (np.where(LARGE > 1, np.nan, LARGE), [EXPERT], BASE, "`large` must be finite"),
    ],
)
def test_refuses(large, experts, base, message):
    with pytest.raises(ValueError, match=message):
        FUSION(large, experts, base)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`most` must be a finite number greater than 0. Received: most=0"):
        DynamicLogitFusion(most=0)
    with pytest.raises(ValueError, match="steps=0"):
        DynamicLogitFusion(steps=0)


@pytest.mark.parametrize("value", ["a", [[1.0], [1.0, 2.0]], np.ones((1, 2), "complex64"), np.array([[1e308, 0.0]])])
def test_the_argument_is_named(value):
    zeros = np.zeros((1, 2))
    for large, experts, base, name in (
        (value, [zeros], zeros, "large"),
        (zeros, [value], zeros, "experts"),
        (zeros, [zeros], value, "base"),
    ):
        with pytest.raises(ValueError, match=f"^`{name}` must .*Received: "):
            DynamicLogitFusion()(large, experts, base)
    with pytest.raises(ValueError, match="^`experts` must be a list of logits. Received: "):
        DynamicLogitFusion()(zeros, None, zeros)
