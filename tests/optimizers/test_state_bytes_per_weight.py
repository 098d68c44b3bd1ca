import keras
import numpy as np
import pytest

from keras_ssl.optimizers import LARS, state_bytes_per_weight


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda: keras.optimizers.SGD(), 0.0),
        (lambda: LARS(), 4.0),
        (lambda: keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.1, 10)), 8.0),
        (lambda: keras.optimizers.AdamW(use_ema=True), 12.0),
    ],
)
def test_bytes(make, expected):
    optimizer = make()
    optimizer.build([keras.Variable(np.zeros(shape, "float32")) for shape in ((7, 5), (3,))])
    assert state_bytes_per_weight(optimizer) == expected


def test_rejects_what_is_not_built():
    with pytest.raises(ValueError, match="`optimizer` must be built. Received: optimizer="):
        state_bytes_per_weight(keras.optimizers.SGD())
