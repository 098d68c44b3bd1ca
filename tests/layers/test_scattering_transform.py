import keras
import numpy as np
import pytest

from keras_ssl.layers.scattering_transform import ScatteringTransform2D, gaussian, morlet

IMAGES = np.random.default_rng(0).random((2, 16, 20, 3)).astype("float32")


def run(layer, images):
    return np.asarray(keras.ops.convert_to_numpy(layer(images))).astype("float64")


def filtered(x, kernel):
    """The correlation with borders reflected, pixel by pixel."""
    r = len(kernel) // 2
    padded = np.pad(x, r, mode="reflect")
    return np.array(
        [
            [np.sum(padded[i : i + 2 * r + 1, j : j + 2 * r + 1] * kernel) for j in range(x.shape[1])]
            for i in range(x.shape[0])
        ]
    )


def reference(image, scales, angles, order):
    """One channel's maps, loop by loop."""
    g = gaussian(0.8 * 2 ** (scales - 1))
    low = np.outer(g, g)

    def wave(j, a):
        return morlet(0.8 * 2**j, 0.75 * np.pi / 2**j, np.pi * a / angles, 4 / angles if angles >= 4 else 1.0)

    moduli = {(j, a): np.abs(filtered(image, wave(j, a))) for j in range(scales) for a in range(angles)}
    maps = [image]
    if order > 0:
        maps += list(moduli.values())
    if order > 1:
        for j in range(scales):
            for k in range(j + 1, scales):
                for a in range(angles):
                    maps += [np.abs(filtered(moduli[j, a], wave(k, b))) for b in range(angles)]
    return np.stack([filtered(m, low)[:: 2**scales, :: 2**scales] for m in maps], axis=-1)


@pytest.mark.parametrize(("scales", "angles", "order"), [(1, 4, 1), (2, 2, 2), (2, 4, 0)])
def test_equals_the_loops(scales, angles, order):
    layer = ScatteringTransform2D(scales, angles, order)
    got = run(layer, IMAGES[:1])
    assert got.shape == layer.compute_output_shape((1, 16, 20, 3))
    for c in range(3):
        expected = reference(IMAGES[0, :, :, c].astype("float64"), scales, angles, order)
        np.testing.assert_allclose(got[0, :, :, c * layer.maps : (c + 1) * layer.maps], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("scales", "angles", "order", "maps"), [(2, 8, 2, 81), (2, 8, 1, 17), (3, 4, 2, 61), (3, 4, 0, 1)]
)
def test_the_number_of_maps(scales, angles, order, maps):
    assert ScatteringTransform2D(scales, angles, order).maps == maps


def test_order_zero_is_the_low_pass_average():
    impulse = np.zeros((1, 17, 17, 1), "float32")
    impulse[0, 8, 8] = 1.0
    g = gaussian(0.8)
    got = run(ScatteringTransform2D(1, 4, 0), impulse)[0, :, :, 0]
    row = np.zeros(17)
    row[8 - len(g) // 2 : 9 + len(g) // 2] = g
    np.testing.assert_allclose(got, np.outer(row, row)[::2, ::2], atol=1e-6)
    assert g.sum() == pytest.approx(1.0)


def test_a_constant_image_has_no_coefficients_but_its_mean():
    got = run(ScatteringTransform2D(2, 4, 2), np.full((1, 16, 16, 1), 0.7, "float32"))
    np.testing.assert_allclose(got[..., 0], 0.7, rtol=1e-5)
    np.testing.assert_allclose(got[..., 1:], 0.0, atol=1e-6)


def test_wavelets_have_mean_zero_and_answer_to_their_direction():
    for angle in (0.0, 0.3, np.pi / 2):
        assert abs(morlet(1.6, 1.2, angle, 0.5).sum()) < 1e-12
    stripes = np.cos(0.75 * np.pi * np.arange(16))[None, None, :, None] * np.ones((1, 16, 16, 1))
    first = run(ScatteringTransform2D(1, 4, 1), stripes.astype("float32")).mean((0, 1, 2))[1:]
    assert np.argmax(first) == 0 and first[0] > 3 * first[2]


def test_a_small_translation_changes_the_features_less_than_the_pixels():
    image = np.random.default_rng(1).random((1, 33, 33, 1)).astype("float32")
    here, there = image[:, :, :32], image[:, :, 1:]
    here, there = here[:, :32], there[:, :32]
    layer = ScatteringTransform2D(3, 4, 2)

    def distance(a, b):
        return np.linalg.norm(a - b) / np.linalg.norm(a)

    assert distance(run(layer, here), run(layer, there)) < 0.3 * distance(here, there)


def test_has_no_weights_and_a_finite_gradient():
    layer = ScatteringTransform2D(1, 4, 2)
    assert layer.weights == []
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.zeros((1, 8, 8, 1))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(layer(x))
        assert np.isfinite(tape.gradient(y, x).numpy()).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_computes_in_float32_and_answers_in_the_policys_dtype(policy):
    layer = ScatteringTransform2D(1, 4, 1, dtype=policy)
    outputs = layer(IMAGES)
    assert keras.backend.standardize_dtype(outputs.dtype) == keras.DTypePolicy(policy).compute_dtype
    exact = run(ScatteringTransform2D(1, 4, 1), IMAGES)
    outputs = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    np.testing.assert_allclose(outputs, exact, atol=1e-2)


def test_config_round_trip():
    layer = ScatteringTransform2D(3, 6, 1, name="s")
    assert ScatteringTransform2D.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize(("name", "bad"), [("scales", 0), ("angles", 0), ("order", 3)])
def test_errors(name, bad):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={bad}"):
        ScatteringTransform2D(**{name: bad})


def test_images_too_small_to_be_reflected_are_refused():
    with pytest.raises(ValueError, match="larger than.*Received: images of 4 x 4 pixels"):
        ScatteringTransform2D(2, 4, 1)(np.zeros((1, 4, 4, 3), "float32"))
