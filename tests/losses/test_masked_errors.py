import numpy as np
import pytest

from keras_ssl.losses.masked_errors import masked_absolute_error, smooth_absolute_error
from keras_ssl.losses.patch_loss import masked_patch_loss
from tests.losses.conftest import _value_and_gradients, to_float64

RNG = np.random.default_rng(0)
PREDICTION, TARGET = 2 * RNG.normal(size=(2, 3, 4, 5))
HIDDEN = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]], "float64")


def test_absolute_error_equals_the_loops():
    expected = []
    for p, t, h in zip(PREDICTION, TARGET, HIDDEN, strict=True):
        errors = [np.mean([abs(a - b) for a, b in zip(p[k], t[k], strict=True)]) for k in range(4) if h[k]]
        expected.append(np.mean(errors) if errors else 0.0)
    np.testing.assert_allclose(to_float64(masked_absolute_error(PREDICTION, TARGET, HIDDEN)), expected, rtol=1e-5)


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_smooth_error_equals_the_loops(beta):
    expected = []
    for p, t in zip(PREDICTION, TARGET, strict=True):
        d = np.abs(p - t).reshape(-1)
        expected.append(np.mean([x * x / (2 * beta) if x < beta else x - beta / 2 for x in d]))
    np.testing.assert_allclose(to_float64(smooth_absolute_error(PREDICTION, TARGET, beta)), expected, rtol=1e-5)


def test_smooth_error_of_a_small_beta_is_the_absolute_error():
    everything = np.ones((3, 4))
    smooth, absolute = (
        smooth_absolute_error(PREDICTION, TARGET, 1e-6),
        masked_absolute_error(PREDICTION, TARGET, everything),
    )
    np.testing.assert_allclose(to_float64(smooth), to_float64(absolute), rtol=1e-4)


def test_targets_and_visible_patches_get_no_gradient():
    import keras

    for function in (
        lambda p, t: keras.ops.sum(masked_absolute_error(p, t, HIDDEN)),
        lambda p, t: keras.ops.sum(masked_patch_loss(p, t, HIDDEN)),
    ):
        _, (of_prediction, of_target) = _value_and_gradients(function, PREDICTION, np.abs(TARGET))
        assert not of_target.any() and of_prediction[HIDDEN > 0].any(axis=1).all()
        assert not of_prediction[HIDDEN == 0].any()
    _, (_, of_target) = _value_and_gradients(
        lambda p, t: keras.ops.sum(smooth_absolute_error(p, t)), PREDICTION, TARGET
    )
    assert not of_target.any()


def test_patch_loss_equals_the_loops_and_counts_each_image_alike():
    targets = np.exp(TARGET) / np.exp(TARGET).sum(axis=-1, keepdims=True)
    expected = []
    for s, t, h in zip(PREDICTION, targets, HIDDEN, strict=True):
        losses = []
        for k in range(4):
            if h[k]:
                q = np.exp(s[k] / 0.2) / np.exp(s[k] / 0.2).sum()
                losses.append(-(t[k] * np.log(q)).sum())
        expected.append(np.mean(losses) if losses else 0.0)
    np.testing.assert_allclose(to_float64(masked_patch_loss(PREDICTION, targets, HIDDEN, 0.2)), expected, rtol=1e-5)


def test_even_outputs_cost_log_k():
    even = np.full((3, 4, 5), 0.2)
    found = to_float64(masked_patch_loss(np.zeros((3, 4, 5)), even, HIDDEN))
    np.testing.assert_allclose(found, [np.log(5), 0.0, np.log(5)], rtol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: masked_absolute_error(PREDICTION, TARGET[:, :3], HIDDEN),
        lambda: smooth_absolute_error(PREDICTION[0], TARGET[0]),
        lambda: smooth_absolute_error(PREDICTION, TARGET, 0.0),
        lambda: smooth_absolute_error(PREDICTION, TARGET, np.nan),
        lambda: masked_patch_loss(PREDICTION, TARGET, HIDDEN, np.inf),
        lambda: masked_patch_loss(PREDICTION, TARGET[:, :, :2], HIDDEN),
    ],
)
def test_refuses(call):
    with pytest.raises(ValueError, match="Received: "):
        call()
