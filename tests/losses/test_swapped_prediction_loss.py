import keras
import numpy as np
import pytest

from keras_ssl.losses.swapped_prediction_loss import swapped_prediction_loss


def views(count, n=5, k=4, seed=0):
    return list(np.random.default_rng(seed).normal(size=(count, n, k)))


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def float32(arrays):
    return [np.asarray(array, "float32") for array in arrays]


def reference(logits, targets):
    """Every pair, sample and prototype in turn."""
    losses = []
    for t, target in enumerate(targets):
        for v, view in enumerate(logits):
            if v == t:
                continue
            total = 0.0
            for row, wanted in zip(view, target, strict=True):
                rest = np.logaddexp.reduce(row)
                total -= sum(w * (x - rest) for w, x in zip(wanted, row, strict=True))
            losses.append(total / len(view))
    return np.mean(losses)


@pytest.mark.parametrize(("count", "targets"), [(2, 2), (5, 2), (3, 1), (4, 4)])
def test_equals_the_loops(count, targets):
    logits, wanted = views(count), [softmax(view) for view in views(targets, seed=1)]
    found = float(swapped_prediction_loss(float32(logits), float32(wanted)))
    assert found == pytest.approx(reference(logits, wanted), rel=1e-5)


def test_gradient_equals_finite_differences_and_leaves_targets_alone(
    value_and_gradients, finite_differences, tolerance
):
    logits, wanted = views(3), [softmax(view) for view in views(2, seed=1)]

    def loss(a, b, c, t1, t2):
        return swapped_prediction_loss([a, b, c], [t1, t2]) + 0.0 * keras.ops.sum(t1 + t2)  # for a gradient at all

    value, gradients = value_and_gradients(loss, *logits, *wanted)
    assert value == pytest.approx(reference(logits, wanted), rel=max(tolerance, 1e-6))
    expected = finite_differences(lambda a, b, c: reference([a, b, c], wanted), *logits)
    for have, want in zip(gradients[:3], expected, strict=True):
        np.testing.assert_allclose(have, want, atol=max(tolerance, 1e-6))
    assert not np.any(gradients[3:])


def test_equal_logits_are_at_chance_whatever_the_targets():
    wanted = [softmax(view) for view in views(2, seed=1)]
    assert float(swapped_prediction_loss([np.ones((5, 4), "float32")] * 3, float32(wanted))) == pytest.approx(np.log(4))


def test_a_view_never_predicts_its_own_target():
    logits, wanted = float32(views(2)), float32([softmax(view) for view in views(1, seed=1)])
    changed = [logits[0] * 3.0, logits[1]]
    assert float(swapped_prediction_loss(logits, wanted)) == float(swapped_prediction_loss(changed, wanted))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, rounded):
    (a, exact_a), (b, exact_b) = (rounded(view * 500, dtype) for view in views(2))
    wanted = [softmax(view) for view in views(2, seed=1)]
    found = swapped_prediction_loss([a, b], float32(wanted))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(found) == pytest.approx(reference([exact_a, exact_b], wanted), rel=1e-4)


def test_errors():
    view, target = np.ones((4, 3), "float32"), np.ones((4, 3), "float32")
    for logits, targets in (([view], [target]), ([view] * 2, []), ([view] * 2, [target] * 3)):
        with pytest.raises(ValueError, match=f"Received: {len(logits)} views, {len(targets)} targets"):
            swapped_prediction_loss(logits, targets)
    with pytest.raises(ValueError, match="Received: shapes"):
        swapped_prediction_loss([view, view[:1]], [target])
