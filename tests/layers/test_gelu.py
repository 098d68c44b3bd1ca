import math

import keras
import numpy as np
import pytest

from keras_ssl.layers.gelu import gelu

X = np.linspace(-6.0, 6.0, 97).astype("float32")


def exact(x):
    return np.array([value * 0.5 * math.erfc(-value / math.sqrt(2.0)) for value in x.astype("float64")])


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 1e-6), ("float16", 2.0**-10), ("bfloat16", 2.0**-7)])
def test_exact_to_the_digits_of_its_type(dtype, digits):
    x = keras.ops.cast(X, dtype)
    y = gelu(x)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    seen = keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))
    found = keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))
    np.testing.assert_allclose(found, exact(seen), rtol=digits, atol=1e-6)
