import keras
import numpy as np
import pytest

from keras_ssl.layers import BatchNormalization, GhostBatchNormalization

RNG = np.random.default_rng(0)


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def layer_with_weights(kind, shape, **options):
    layer = kind(**options)
    layer.build(shape)
    channels = shape[-1]
    rng = np.random.default_rng(1)
    layer.set_weights(
        [rng.normal(size=channels), rng.normal(size=channels), rng.normal(size=channels), np.ones(channels)]
    )
    return layer


def reference(x, ghost, momentum, epsilon, gamma, beta, mean, variance):
    """Slice after slice in float64, channels last."""
    x, out = x.astype("float64"), []
    for start in range(0, len(x), ghost):
        part = x[start : start + ghost]
        axes = tuple(range(x.ndim - 1))
        m, v = part.mean(axis=axes), part.var(axis=axes)
        out.append(gamma * (part - m) / np.sqrt(v + epsilon) + beta)
        mean = momentum * mean + (1 - momentum) * m
        variance = momentum * variance + (1 - momentum) * v
    return np.concatenate(out), mean, variance


@pytest.mark.parametrize("shape", [(12, 3), (10, 3), (3, 3), (7, 4, 5, 3)])
@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_equals_slices_one_after_another(shape, momentum):
    x = (5 + 2 * RNG.normal(size=shape)).astype("float32")
    layer = layer_with_weights(GhostBatchNormalization, shape, ghost_size=4, momentum=momentum, epsilon=1e-3)
    expected, mean, variance = reference(x, 4, momentum, 1e-3, *[numbers(w) for w in layer.weights])
    np.testing.assert_allclose(numbers(layer(x, training=True)), expected, atol=1e-4)
    np.testing.assert_allclose(numbers(layer.moving_mean), mean, atol=1e-4)
    np.testing.assert_allclose(numbers(layer.moving_variance), variance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ghost_size", [8, 100])
def test_a_ghost_as_large_as_the_batch_is_batch_normalization(ghost_size):
    x = RNG.normal(size=(8, 3)).astype("float32")
    ghost = layer_with_weights(GhostBatchNormalization, (8, 3), ghost_size=ghost_size)
    plain = layer_with_weights(BatchNormalization, (8, 3))
    np.testing.assert_allclose(numbers(ghost(x, training=True)), numbers(plain(x, training=True)), atol=1e-5)
    for a, b in zip(ghost.weights, plain.weights, strict=True):
        np.testing.assert_allclose(numbers(a), numbers(b), atol=1e-6)
    np.testing.assert_allclose(numbers(ghost(x)), numbers(plain(x)), atol=1e-6)
    ghost.trainable = plain.trainable = False
    np.testing.assert_allclose(numbers(ghost(x, training=True)), numbers(plain(x, training=True)), atol=1e-6)


def test_channels_first_and_without_affine():
    x = RNG.normal(size=(6, 3, 2, 5)).astype("float32")
    first = GhostBatchNormalization(4, axis=1, center=False, scale=False)(x, training=True)
    last = GhostBatchNormalization(4, center=False, scale=False)(np.moveaxis(x, 1, -1), training=True)
    np.testing.assert_allclose(numbers(first), np.moveaxis(numbers(last), -1, 1), atol=1e-5)


def test_half_precision_keeps_statistics_in_float32():
    x = (300 + RNG.normal(size=(8, 3))).astype("float16")
    layer = GhostBatchNormalization(4, dtype="mixed_float16")
    y = layer(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == "float16" and layer.moving_mean.dtype == "float32"
    expected, *_ = reference(x, 4, 0.9, 1e-5, 1.0, 0.0, 0.0, 1.0)
    np.testing.assert_allclose(numbers(y), expected, atol=5e-3)


def test_equal_samples_and_a_last_slice_of_one_have_finite_gradients():
    x = np.ones((5, 2), "float32")
    layer = GhostBatchNormalization(4)
    layer.build(x.shape)
    assert np.isfinite(numbers(layer(x, training=True))).all()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_with_a_short_last_batch_and_saving(tmp_path, jit_compile):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(6), GhostBatchNormalization(4), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse", jit_compile=jit_compile)
    x = RNG.normal(size=(22, 4)).astype("float32")
    history = model.fit(x, x.sum(axis=1), batch_size=8, epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[1].ghost_size == 4
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_gradient_is_that_of_the_slices():
    x = RNG.normal(size=(6, 2)).astype("float32")
    target = RNG.normal(size=(6, 2)).astype("float32")
    ghost, plain = GhostBatchNormalization(3), BatchNormalization()
    ghost.build(x.shape), plain.build(x.shape)
    from tests.losses.conftest import _value_and_gradients

    def loss(layer, part):
        def value(z):
            with keras.StatelessScope():  # the moving statistics stay out of it
                return keras.ops.sum(target[part] * layer(z, training=True))

        return value

    _, [whole] = _value_and_gradients(loss(ghost, slice(None)), x, dtype="float32")
    halves = [
        _value_and_gradients(loss(plain, part), x[part], dtype="float32")[1][0] for part in (slice(3), slice(3, 6))
    ]
    np.testing.assert_allclose(whole, np.concatenate(halves), atol=1e-4)


@pytest.mark.parametrize(
    "name, value",
    [
        ("ghost_size", 0),
        ("ghost_size", 2.5),
        ("ghost_size", float("nan")),
        ("momentum", 1.5),
        ("momentum", float("nan")),
    ]
    + [("epsilon", 0.0), ("epsilon", float("inf")), ("renorm", True)],
)
def test_rejects(name, value):
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        GhostBatchNormalization(**{name: value})


def test_rejects_the_axis_of_samples_and_masks():
    with pytest.raises(ValueError, match="Received: axis=0"):
        GhostBatchNormalization(axis=0).build((4, 3))
    with pytest.raises(ValueError, match="Received: a mask"):
        GhostBatchNormalization()(np.ones((4, 2, 3), "float32"), training=True, mask=np.ones((4, 2), bool))
