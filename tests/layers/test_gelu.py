import math

import keras
import numpy as np
import pytest

from keras_ssl.layers.gelu import ACTIVATIONS, gelu, gelu_tanh

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


def test_the_tanh_formula_and_that_it_is_another():
    x = X.astype("float64")
    expected = 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))
    found = keras.ops.convert_to_numpy(gelu_tanh(keras.ops.convert_to_tensor(X)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert 1e-4 < np.abs(found - exact(X)).max() < 1e-3
    assert ACTIVATIONS == {"gelu": gelu, "gelu_tanh": gelu_tanh}
