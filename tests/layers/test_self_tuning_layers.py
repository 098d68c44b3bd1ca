import keras
import numpy as np
import pytest

from keras_ssl.layers import SelfTuningConv2D, SelfTuningDense

RNG = np.random.default_rng(0)
KINDS = [
    (lambda **kw: SelfTuningDense(3, **kw), lambda **kw: keras.layers.Dense(3, **kw), (4, 5)),
    (lambda **kw: SelfTuningDense(3, **kw), lambda **kw: keras.layers.Dense(3, **kw), (4, 2, 5)),
    (lambda **kw: SelfTuningConv2D(3, 3, **kw), lambda **kw: keras.layers.Conv2D(3, 3, **kw), (4, 6, 6, 2)),
    (
        lambda **kw: SelfTuningConv2D(3, 2, 2, "same", **kw),
        lambda **kw: keras.layers.Conv2D(3, 2, 2, "same", **kw),
        (4, 5, 5, 2),
    ),
]


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize("make, plain, shape", KINDS)
@pytest.mark.parametrize("options", [{}, {"use_bias": False, "activation": "tanh"}])
def test_without_scales_it_is_the_plain_layer_bit_for_bit(make, plain, shape, options):
    x, hyper = RNG.normal(size=shape).astype("float32"), RNG.normal(size=(4, 2)).astype("float32")
    layer, other = make(**options), plain(**options)
    layer([x, hyper]), other(x)
    other.set_weights([numbers(layer.kernel)] + ([numbers(layer.bias)] if layer.use_bias else []))
    np.testing.assert_array_equal(numbers(layer([x, hyper])), numbers(other(x)))
    assert layer.compute_output_shape([shape, (4, 2)]) == tuple(other(x).shape)
    assert not np.array_equal(numbers(layer.kernel), numbers(layer.hyper_kernel))


@pytest.mark.parametrize("make, plain, shape", KINDS)
def test_each_sample_has_the_weights_of_its_hyperparameters(make, plain, shape):
    x, hyper = RNG.normal(size=shape).astype("float32"), RNG.normal(size=(4, 2)).astype("float32")
    layer, other = make(), plain()
    layer([x, hyper]), other(x)
    for weight in layer.weights:
        weight.assign(RNG.normal(size=weight.shape))
    together = numbers(layer([x, hyper]))
    for k in range(4):
        scale = np.stack([sum(hyper[k, i] * numbers(layer.scale)[i, u] for i in range(2)) for u in range(3)])
        bias_scale = hyper[k] @ numbers(layer.bias_scale)
        kernel = numbers(layer.kernel) + numbers(layer.hyper_kernel) * scale
        bias = numbers(layer.bias) + bias_scale * numbers(layer.hyper_bias)
        other.set_weights([kernel, bias])
        np.testing.assert_allclose(together[k : k + 1], numbers(other(x[k : k + 1])), atol=2e-4)
        for a, b in zip(layer.weights_at(hyper[k]), (kernel, bias), strict=True):
            np.testing.assert_allclose(numbers(a), b, atol=1e-5)
    one = numbers(layer([x, hyper[:1]]))
    np.testing.assert_allclose(one, numbers(layer([x, np.repeat(hyper[:1], 4, axis=0)])), atol=1e-5)


@pytest.mark.parametrize("make, plain, shape", KINDS)
def test_in_a_model_and_in_a_file(tmp_path, make, plain, shape):
    inputs = [keras.Input(shape[1:]), keras.Input((2,))]
    model = keras.Model(inputs, make(activation="relu")(inputs))
    x, hyper = RNG.normal(size=shape).astype("float32"), RNG.normal(size=(4, 2)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict([x, hyper], verbose=0), model.predict([x, hyper], verbose=0))


def test_rejects():
    for bad in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"`units`.*Received: units={bad}"):
            SelfTuningDense(bad)
        for name in ("filters", "kernel_size", "strides"):
            with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={bad}"):
                SelfTuningConv2D(**{"filters": 2, "kernel_size": 3, name: bad})
    with pytest.raises(ValueError, match="`padding`.*Received: padding=full"):
        SelfTuningConv2D(2, 3, padding="full")
    with pytest.raises(ValueError, match="Received: input_shape="):
        SelfTuningDense(2).build((4, 3))
