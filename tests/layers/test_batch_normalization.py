import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.batch_normalization import BatchNormalization


def batch(*shape, seed=0, mean=3.0, std=2.0):
    return np.random.default_rng(seed).normal(mean, std, shape).astype("float32")


def test_training_normalizes_with_the_biased_batch_statistics():
    x = batch(8, 5, 5, 3)
    layer = BatchNormalization()
    y = keras.ops.convert_to_numpy(layer(x, training=True))
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)


def test_moving_statistics_take_a_tenth_of_the_batch_and_serve_at_inference():
    x = batch(32, 3)
    layer = BatchNormalization()
    layer(x, training=True)
    mean, variance = 0.1 * x.mean(0), 0.9 + 0.1 * x.var(0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-5)
    y = keras.ops.convert_to_numpy(layer(x, training=False))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)


def test_without_center_and_scale_there_is_nothing_to_train():
    layer = BatchNormalization(center=False, scale=False)
    layer.build((None, 4))
    assert layer.trainable_variables == []
    assert len(layer.non_trainable_variables) == 2


def test_synchronizes_where_the_backend_needs_it_and_says_nothing_of_it_in_its_config():
    layer = BatchNormalization(momentum=0.8, epsilon=1e-4, scale=False, name="bn")
    assert layer.synchronized == (keras.backend.backend() == "tensorflow")
    config = json.loads(json.dumps(layer.get_config()))
    assert "synchronized" not in config
    again = BatchNormalization.from_config(config)
    assert again.get_config() == layer.get_config()
    assert (again.momentum, again.epsilon, again.scale, again.name) == (0.8, 1e-4, False, "bn")
    assert again.synchronized == layer.synchronized


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_statistics_are_float32_under_mixed_precision(policy):
    # Sums of 64 squares near 50**2 overflow float16, bfloat16 keeps 2 digits of a mean of 50: it would show.
    x = batch(64, 3, mean=50.0, std=1.0)
    layer = BatchNormalization(dtype=policy)
    y = layer(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    assert {v.dtype for v in layer.variables} == {"float32"}
    seen = keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(x, y.dtype), "float32"))
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * seen.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * seen.var(0), rtol=1e-3)
    expected = (seen - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(keras.ops.cast(y, "float32")), expected, atol=2e-2)


def test_saves_and_loads(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, BatchNormalization(name="bn")(inputs))
    x = batch(16, 3)
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("bn")) is BatchNormalization
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("bad", [{"momentum": 1.5}, {"momentum": -0.1}, {"epsilon": 0.0}])
def test_rejects_constants_out_of_range(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        BatchNormalization(**bad)


def test_the_flag_cannot_be_passed():
    with pytest.raises(TypeError, match="synchronized"):
        BatchNormalization(synchronized=False)


tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow's own kernel")


@tensorflow_only
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("shape", [(16, 3), (1, 3), (4, 6, 3), (4, 6, 5, 3), (2, 3, 4, 2, 3)])
def test_the_fused_kernel_gives_what_keras_computes_step_by_step(shape, jit_compile):
    import tensorflow as tf

    x, weights = tf.constant(batch(*shape)), tf.constant(batch(*shape, seed=1))

    def run(layer):
        layer.build(shape)
        layer.gamma.assign([0.5, -1.0, 2.0])
        layer.beta.assign([0.1, 0.2, -0.3])

        @tf.function(jit_compile=jit_compile, input_signature=[tf.TensorSpec((None, *shape[1:]))] * 2)
        def step(x, weights):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            return [y, *tape.gradient(y, [x, *layer.trainable_variables], weights)]

        program = step.get_concrete_function()
        assert program.output_shapes[0].as_list() == [None, *shape[1:]]
        operations = {op.type for op in program.graph.get_operations()}
        return [*step(x, weights), *layer.non_trainable_variables], operations

    plain = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    (expected, apart), (found, fused) = run(plain), run(BatchNormalization())
    assert "FusedBatchNormGradV3" in fused - apart
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@tensorflow_only
def test_a_mask_another_axis_and_float64_are_left_to_keras():
    x = batch(4, 5, 3)
    mask = np.arange(5) < np.array([[5], [3], [2], [4]])
    pairs = (
        ({}, {"mask": mask}, x),
        ({"axis": 1}, {}, x),
        ({"dtype": "float64"}, {}, x.astype("float64")),
    )
    for arguments, call, inputs in pairs:
        plain = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **arguments)
        expected = plain(inputs, training=True, **call)
        np.testing.assert_allclose(BatchNormalization(**arguments)(inputs, training=True, **call), expected, atol=1e-5)


@tensorflow_only
def test_a_spread_that_is_small_beside_the_mean_is_not_lost():
    # As a difference of two means, E[x^2] - E[x]^2, the variance would be off by a hundredth and more.
    x = batch(64, 8, 8, 3, mean=500.0, std=1.0)
    layer = BatchNormalization(momentum=0.0)
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_variance, x.astype("float64").var((0, 1, 2)), rtol=1e-3)
