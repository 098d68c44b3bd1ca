import keras
import numpy as np
import pytest

from keras_ssl.losses.groco_loss import groco_loss, group_ordering_loss
from tests.losses.test_sorting_network import reference as network


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def views(count=2, n=6, d=4, seed=0):
    return list(np.random.default_rng(seed).normal(size=(count, n, d)))


def float32(arrays):
    return [np.asarray(array, "float32") for array in arrays]


def similarities(n=5, positives=2, negatives=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, positives)).astype("float32"), rng.uniform(-1, 1, (n, negatives)).astype("float32")


def slow_group(positives, negatives, steepness):
    """Sample by sample and value by value, in float64."""
    losses = []
    for p, n in zip(positives, negatives, strict=True):
        _, ranks = network([*sorted(n), *sorted(p)], steepness)
        for i in range(len(n) + len(p)):
            own = ranks[: len(n), i].sum() if i < len(n) else ranks[len(n) :, i].sum()
            losses.append(-np.log(own))
    return np.mean(losses)


def reference(views, steepness=1.0, negatives=3, global_count=None, fixed=None):
    """Anchor by anchor; `fixed` holds the embeddings that get no gradient."""
    units = [unit(view) for view in views]
    others = units if fixed is None else [unit(view) for view in fixed]
    total = 0.0
    for number, anchors in enumerate(units):
        same, hardest = [], []
        for i, anchor in enumerate(anchors):
            same.append([anchor @ o[i] for k, o in enumerate(others[:global_count]) if k != number])
            rivals = [anchor @ others[number][j] for j in range(len(anchors)) if j != i]
            hardest.append(sorted(rivals)[-negatives:])
        total += slow_group(same, hardest, steepness)
    return total / len(views)


@pytest.mark.parametrize(("count", "global_count"), [(2, None), (4, None), (4, 2)])
@pytest.mark.parametrize("steepness", [1.0, 8.0])
def test_equals_the_loops(count, global_count, steepness):
    found = float(groco_loss(float32(views(count)), steepness, 3, global_count))
    assert found == pytest.approx(reference(views(count), steepness, 3, global_count), rel=1e-5)


@pytest.mark.slow
def test_gradient_equals_finite_differences_and_stops_at_the_compared(
    value_and_gradients, finite_differences, tolerance
):
    given = views(3)
    for stop in (True, False):
        value, gradients = value_and_gradients(lambda *v, s=stop: groco_loss(v, 2.0, 3, None, s), *given)
        assert value == pytest.approx(reference(given, 2.0), rel=max(tolerance, 1e-6))
        expected = finite_differences(lambda *v, s=stop: reference(v, 2.0, fixed=given if s else None), *given)
        for have, want in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(have, want, atol=max(tolerance, 1e-6))


def test_one_positive_and_one_negative_is_one_comparator():
    p, n = similarities(positives=1, negatives=1)
    for beta in (1.0, 5.0):
        expected = -np.log(0.5 + np.arctan(beta * (p.astype("float64") - n)) / np.pi).mean()
        assert float(group_ordering_loss(p, n, beta)) == pytest.approx(expected, rel=1e-5)


def test_with_the_steepness_the_loss_vanishes_only_in_the_right_order():
    high, low = np.array([[0.5, 0.9]], "float32"), np.array([[0.4, -0.3, 0.1]], "float32")
    assert float(group_ordering_loss(high, low, 1e7)) < 1e-5
    assert float(group_ordering_loss(low, high, 1e7)) > 5.0
    one_too_low = np.array([[0.3, 0.9]], "float32")
    assert float(group_ordering_loss(one_too_low, low, 1e7)) > 1.0


@pytest.mark.slow
def test_the_order_within_a_group_does_not_matter():
    p, n = similarities()
    expected = float(group_ordering_loss(p, n))
    assert float(group_ordering_loss(p[:, ::-1].copy(), n[:, [2, 0, 3, 1]])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_equal_similarities_have_the_value_of_the_docstring():
    found = float(group_ordering_loss(np.ones((1, 1), "float32"), np.ones((1, 10), "float32")))
    assert found == pytest.approx(slow_group(np.ones((1, 1)), np.ones((1, 10)), 1.0), rel=1e-5)
    assert found == pytest.approx(0.202, abs=1e-4)


@pytest.mark.slow
def test_limits_hold_compiled(compiled):
    p, n = similarities(positives=1, negatives=1)
    expected = float(group_ordering_loss(p, n, 3.0))
    assert compiled(lambda p, n: group_ordering_loss(p, n, 3.0), p, n) == pytest.approx(expected, rel=1e-5)
    given = float32(views(3))
    expected = float(groco_loss(given, negatives=3))
    assert compiled(lambda a, b, c: groco_loss([a, b, c], negatives=3), *given) == pytest.approx(expected, rel=1e-5)
    high, low = np.array([[0.5, 0.9]], "float32"), np.array([[0.4, -0.3, 0.1]], "float32")
    assert compiled(lambda p, n: group_ordering_loss(p, n, 1e7), high, low) < 1e-5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, rounded):
    (a, exact_a), (b, exact_b) = (rounded(view * 100, dtype) for view in views())
    found = groco_loss([a, b], negatives=3)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(found) == pytest.approx(reference([exact_a, exact_b]), rel=1e-4)


def test_errors():
    given = float32(views())
    with pytest.raises(ValueError, match="Received: 1 views"):
        groco_loss(given[:1])
    with pytest.raises(ValueError, match="Received: negatives=6, a batch of 6 samples"):
        groco_loss(given, negatives=6)
    with pytest.raises(ValueError, match="Received: negatives=0"):
        groco_loss(given, negatives=0)
    with pytest.raises(ValueError, match="Received: steepness=-1"):
        groco_loss(given, -1, 3)
