import keras
import pytest

from keras_ssl.precision import dtype_policy


def test_the_policy_holds_inside_and_ends_with_an_error():
    before = keras.config.dtype_policy().name
    with pytest.raises(RuntimeError), dtype_policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == before == keras.layers.Dense(1).dtype_policy.name
