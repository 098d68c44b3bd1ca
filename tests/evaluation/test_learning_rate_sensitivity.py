import numpy as np
import pytest

from keras_ssl.evaluation import learning_rate_sensitivity


def test_flat_is_zero_and_diverged_runs_count_as_untrained():
    assert learning_rate_sensitivity([1.3] * 4, 2.0) == 0.0
    assert learning_rate_sensitivity([1.0, 2.0, 3.0], 10.0) == pytest.approx(1.0)
    expected = np.mean([0.0, 1.0, 1.0, 1.0, 1.0])
    losses = [1.0, 50.0, float("nan"), float("inf"), float("-inf")]
    assert learning_rate_sensitivity(losses, 2.0) == pytest.approx(expected)
    assert learning_rate_sensitivity([float("nan")] * 2, 2.0) == 0.0


def test_a_shift_changes_nothing():
    losses = np.random.default_rng(0).uniform(1, 4, size=9)
    expected = sum(min(v, 3.0) for v in losses) / 9 - losses.min()
    assert learning_rate_sensitivity(losses, 3.0) == pytest.approx(expected)
    assert learning_rate_sensitivity(losses + 5, 8.0) == pytest.approx(expected)


@pytest.mark.parametrize("losses", [[], 1.0, [[1.0]]])
def test_rejects_losses(losses):
    with pytest.raises(ValueError, match="`losses`.*Received: losses="):
        learning_rate_sensitivity(losses, 1.0)


@pytest.mark.parametrize("initial", [float("nan"), float("inf"), [1.0], True])
def test_rejects_initial_loss(initial):
    with pytest.raises(ValueError, match="`initial_loss`.*Received: initial_loss="):
        learning_rate_sensitivity([1.0], initial)
