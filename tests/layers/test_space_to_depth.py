import keras
import numpy as np
import pytest

from keras_ssl.layers import SpaceToDepth


def reference(x):
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
    return np.concatenate([x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], axis=-1)


@pytest.mark.parametrize("sides", [(4, 6), (3, 4), (4, 3), (5, 7), (1, 1)])
@pytest.mark.parametrize("known", [True, False])
def test_equals_a_loop_whether_or_not_the_sides_are_known(sides, known):
    x = np.random.default_rng(0).normal(size=(2, *sides, 3)).astype("float32")
    inputs = keras.Input((*(sides if known else (None, None)), 3))
    model = keras.Model(inputs, SpaceToDepth()(inputs))
    if not known and keras.backend.backend() == "tensorflow":  # JAX knows all sides when it compiles
        import tensorflow as tf

        program = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
        found = program(x).numpy()
    else:
        found = model.predict(x, verbose=0)
    np.testing.assert_array_equal(found, reference(x))
    assert found.shape[1:] == tuple((side + 1) // 2 for side in sides) + (12,)
