import keras
import numpy as np
import pytest

from keras_ssl.schedules.cosine_momentum import cosine_momentum


@pytest.mark.parametrize("base, final", [(0.996, 1.0), (0.99, 0.999), (0.5, 0.5), (0.0, 1.0)])
def test_closed_forms_at_start_middle_and_end(base, final):
    values = [float(cosine_momentum(k, 200, base, final)) for k in (0, 100, 200, 300)]
    np.testing.assert_allclose(values, [base, (base + final) / 2, final, final], atol=1e-7)


def test_every_step_equals_the_formula_of_byol():
    k = np.arange(51)
    expected = 1 - (1 - 0.97) * (np.cos(np.pi * k / 50) + 1) / 2
    np.testing.assert_allclose([float(cosine_momentum(i, 50, 0.97)) for i in k], expected, atol=1e-7)


def test_an_unknown_length_keeps_the_base():
    assert [float(cosine_momentum(k, 0, 0.99)) for k in (0, 1, 1000)] == pytest.approx([0.99] * 3, abs=1e-7)


def test_takes_variables():
    step = keras.Variable(5, dtype="int32", trainable=False)
    total = keras.Variable(10, dtype="int32", trainable=False)
    tau = cosine_momentum(step, total, base=0.9)
    assert keras.backend.standardize_dtype(tau.dtype) == "float32" and tuple(tau.shape) == ()
    assert float(tau) == pytest.approx(0.95, abs=1e-6)
    total.assign(0)
    assert float(cosine_momentum(step, total, base=0.9)) == pytest.approx(0.9, abs=1e-6)


def test_inside_a_compiled_function():
    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(lambda k, total: cosine_momentum(k, total, 0.9))
    else:
        import tensorflow as tf

        compiled = tf.function(lambda k, total: cosine_momentum(k, total, 0.9), jit_compile=True)
    for k, total, expected in [(0, 8, 0.9), (4, 8, 0.95), (8, 8, 1.0), (4, 0, 0.9)]:
        tau = compiled(keras.ops.array(k, "int32"), keras.ops.array(total, "int32"))
        assert float(tau) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bad", [{"base": 1.1}, {"base": -0.1}, {"final": 1.1}, {"final": -0.1}])
def test_rejects_values_out_of_range(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        cosine_momentum(0, 10, **bad)
