"""The adaptive replay ratio: when it rises, how many updates it asks for, and as a callback of `fit`."""

import keras
import numpy as np
import pytest

from keras_ssl.callbacks import AdaptiveReplayRatio


def test_stays_low_where_the_threshold_is_never_reached():
    replay = AdaptiveReplayRatio()
    assert {replay.update(k % 2 * 0.01 + 0.5) for k in range(50)} == {0.5}


def test_a_plateau_raises_it_once():
    replay = AdaptiveReplayRatio(low=0.25, high=4.0)
    fractions = [0.9, 0.7, 0.6, 0.5999, 0.9, 0.2, 0.2, 0.8]
    assert [replay.update(f) for f in fractions] == [0.25] * 3 + [4.0] * 5


def test_the_first_value_and_a_difference_of_the_threshold_itself_do_not_count():
    replay = AdaptiveReplayRatio(threshold=0.25)
    assert replay.update(0.0) == 0.5 and replay.update(0.25) == 0.5 and replay.update(0.375) == 2.0


def test_patience_asks_for_small_differences_in_a_row():
    replay = AdaptiveReplayRatio(patience=2)
    assert [replay.update(f) for f in (0.5, 0.5, 0.7, 0.7, 0.7)] == [0.5] * 4 + [2.0]


def test_updates_that_are_due():
    replay = AdaptiveReplayRatio(low=0.3, high=1.5)
    assert sum(replay.due() for _ in range(1000)) == 300
    assert [AdaptiveReplayRatio().due() for _ in range(2)] == [0, 0]
    once = AdaptiveReplayRatio()
    assert [once.due() for _ in range(4)] == [0, 1, 0, 1] and once.due(5) == 2
    replay.update(0.5), replay.update(0.5)
    assert sum(replay.due() for _ in range(10)) == 15


def test_as_a_callback():
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)]
    )
    model.layers[0].set_weights([np.zeros((3, 4)), np.array([1.0, 1.0, -1.0, 1.0])])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.ones((8, 3), "float32")
    replay = AdaptiveReplayRatio(x, every=2)
    history = model.fit(x, x[:, :1], epochs=4, verbose=0, callbacks=[replay]).history
    assert history["active_units"] == [0.75, 0.75] and history["replay_ratio"] == [0.5, 2.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0.0}, "Received: low=0.0"),
        ({"low": np.nan}, "Received: low=nan"),
        ({"high": 0.4}, "Received: high=0.4"),
        ({"high": np.inf}, "Received: high=inf"),
        ({"threshold": -1e-3}, "Received: threshold=-0.001"),
        ({"patience": 0}, "Received: patience=0"),
        ({"every": 0}, "Received: every=0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveReplayRatio(**options)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, np.nan])
def test_refuses_a_fraction(fraction):
    with pytest.raises(ValueError, match="Received: fraction="):
        AdaptiveReplayRatio().update(fraction)
