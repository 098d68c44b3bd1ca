import keras
import numpy as np
import pytest

from keras_ssl.layers import UniformDraws
from keras_ssl.random import Stream, draw_from


def run(layer, rows, training=True):
    return keras.ops.convert_to_numpy(layer(np.zeros((rows, 2), "float32"), training=training))


def stream(step=0, positions=range(6)):
    return Stream(seed=3, step=step, positions=np.array(positions, "int32"))


def test_without_a_stream_every_call_draws_anew():
    layer = UniformDraws(50)
    first, second = run(layer, 20), run(layer, 20)
    assert first.shape == (20, 50) and first.dtype == "float32" and (first != second).mean() > 0.99
    assert first.min() >= 0 and first.max() < 1 and first.mean() == pytest.approx(0.5, abs=0.05)
    assert not run(layer, 4, training=False).any()


def test_a_stream_makes_draws_a_function_of_seed_step_and_position():
    layer = UniformDraws(4)
    with draw_from(stream()):
        first, second = run(layer, 6), run(layer, 6)
    with draw_from(stream()):
        np.testing.assert_array_equal(run(UniformDraws(4), 6), first)
        np.testing.assert_array_equal(run(layer, 6), second)
    assert not np.intersect1d(first, second).size
    # What two replicas draw is what one draws.
    for part in (slice(0, 3), slice(3, 6)):
        with draw_from(stream(positions=range(6)[part])):
            np.testing.assert_array_equal(run(layer, 3), first[part])
    with draw_from(stream(step=1)):
        assert not np.intersect1d(run(layer, 6), first).size
    assert not np.array_equal(run(layer, 6), first)  # the stream is gone


def test_views_joined_in_one_batch_draw_independently():
    with draw_from(stream()):
        one = run(UniformDraws(4), 6)
    with draw_from(stream()):
        joined = run(UniformDraws(4), 18)
    np.testing.assert_array_equal(joined[:6], one)
    assert len(np.unique(joined)) == joined.size


def test_config_and_errors():
    assert UniformDraws.from_config(UniformDraws(3).get_config()).count == 3
    with pytest.raises(ValueError, match=r"^`count` .* Received: count=0$"):
        UniformDraws(0)
