import keras
import numpy as np
import pytest

from keras_ssl.encoders.token_sequence import TokenSequence, resize_matrix, sincos_positions

# PyTorch 2's bicubic interpolation of one-hot rows, `scale_factor=(size + offset) / length` where there is an offset.
TORCH = {
    (4, 6, 0.1, False): [
        [1.0884798, -0.0884798, 0.0, 0.0],
        [0.5184404, 0.5721384, -0.0905788, 0.0],
        [-0.0774121, 0.9596942, 0.1302513, -0.0125334],
        [-0.0250401, 0.2059196, 0.9162754, -0.0971549],
        [0.0, -0.101975, 0.6572434, 0.4447314],
        [0.0, 0.0, -0.0637937, 1.0637933],
    ],
    (5, 3, 0.1, False): [
        [0.7141169, 0.334733, -0.0488498, 0.0, 0.0],
        [-0.0044839, 0.0695836, 0.9860225, -0.051122, 0.0],
        [0.0, 0.0, -0.0873365, 0.5510631, 0.5362737],
    ],
    (4, 6, 0.0, True): [
        [1.0657893, -0.0657893, 0.0, 0.0],
        [0.5294118, 0.5294118, -0.0588235, 0.0],
        [-0.0578705, 0.9375001, 0.1319446, -0.0115742],
        [-0.011574, 0.1319443, 0.9375, -0.0578703],
        [0.0, -0.0588235, 0.5294118, 0.5294118],
        [0.0, 0.0, -0.0657896, 1.0657896],
    ],
    (5, 3, 0.0, True): [
        [0.5846153, 0.4461538, 0.0, -0.0307692, 0.0],
        [-0.0372093, 0.2465116, 0.5813953, 0.2465116, -0.0372093],
        [0.0, -0.0307691, 0.0, 0.4461538, 0.5846152],
    ],
}


# The same of its bilinear interpolation.
TORCH_BILINEAR = {
    (4, 6, 0.1, False): [
        [1.0, 0.0, 0.0, 0.0],
        [0.5163934, 0.4836065, 0.0, 0.0],
        [0.0, 0.8606558, 0.1393442, 0.0],
        [0.0, 0.204918, 0.795082, 0.0],
        [0.0, 0.0, 0.5491803, 0.4508197],
        [0.0, 0.0, 0.0, 1.0],
    ],
    (5, 3, 0.0, False): [
        [0.6666667, 0.3333333, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.3333335, 0.6666665],
    ],
    (4, 6, 0.0, True): [
        [1.0, 0.0, 0.0, 0.0],
        [0.5, 0.5, 0.0, 0.0],
        [0.0, 0.8333333, 0.1666667, 0.0],
        [0.0, 0.1666665, 0.8333335, 0.0],
        [0.0, 0.0, 0.5, 0.5],
        [0.0, 0.0, 0.0, 1.0],
    ],
    (5, 3, 0.0, True): [
        [0.5714286, 0.4285714, 0.0, 0.0, 0.0],
        [0.0, 0.2222222, 0.5555556, 0.2222222, 0.0],
        [0.0, 0.0, 0.0, 0.4285715, 0.5714285],
    ],
}


def kernel(d, a):
    d = abs(d)
    if d >= 2:
        return 0.0
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d < 1 else a * (d**3 - 5 * d**2 + 8 * d - 4)


def interpolated(table, rows, columns, offset, antialias):
    """The table `[grid, grid, D]` on another grid, one output at a time."""
    grid = len(table)

    def weights(output, size):
        scale = grid / (size + offset)
        center = (output + 0.5) * scale - 0.5
        if not antialias:
            taps = [int(np.floor(center)) + step for step in (-1, 0, 1, 2)]
            return [(min(max(tap, 0), grid - 1), kernel(center - tap, -0.75)) for tap in taps]
        taps = [(tap, kernel((center - tap) / max(scale, 1.0), -0.5)) for tap in range(grid)]
        total = sum(weight for _, weight in taps)
        return [(tap, weight / total) for tap, weight in taps]

    out = np.zeros((rows, columns, table.shape[-1]))
    for r in range(rows):
        for c in range(columns):
            for i, u in weights(r, rows):
                for j, v in weights(c, columns):
                    out[r, c] += u * v * table[i, j]
    return out


@pytest.mark.parametrize("case", TORCH)
def test_resize_matrix_equals_pytorchs(case):
    length, size, offset, antialias = case
    np.testing.assert_allclose(resize_matrix(length, size, offset, antialias), TORCH[case], atol=1e-6)


@pytest.mark.parametrize("case", TORCH_BILINEAR)
def test_bilinear_resize_matrix_equals_pytorchs(case):
    length, size, offset, antialias = case
    matrix = resize_matrix(length, size, offset, antialias, "bilinear")
    np.testing.assert_allclose(matrix, TORCH_BILINEAR[case], atol=1e-6)
    compiled = resize_matrix(length, keras.ops.convert_to_tensor(size), offset, antialias, "bilinear")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(compiled), TORCH_BILINEAR[case], atol=1e-5)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("antialias", [False, True])
def test_resize_matrix_keeps_constants_and_the_own_size(antialias, interpolation):
    np.testing.assert_array_equal(resize_matrix(7, 7, 0.0, antialias, interpolation), np.eye(7))
    for size in (1, 3, 20):
        np.testing.assert_allclose(resize_matrix(7, size, 0.1, antialias, interpolation).sum(1), 1.0, atol=1e-6)


def test_an_unknown_interpolation_is_refused():
    with pytest.raises(ValueError, match="interpolation.*Received: interpolation='nearest'"):
        TokenSequence(grid=4, interpolation="nearest")


def tokens(layer, patches):
    return keras.ops.convert_to_numpy(layer(patches))


@pytest.mark.parametrize("offset, antialias", [(0.1, False), (0.0, True)])
@pytest.mark.parametrize("rows, columns", [(4, 4), (3, 6), (4, 5)])
def test_equals_numpy(rows, columns, offset, antialias):
    layer = TokenSequence(4, 2, "learned", offset, antialias)
    patches = np.random.default_rng(0).normal(size=(2, rows, columns, 8)).astype("float32")
    actual = tokens(layer, patches)
    first, registers, position = (keras.ops.convert_to_numpy(w).astype("float64") for w in layer.weights)
    table = position[1:].reshape(4, 4, 8)
    if (rows, columns) != (4, 4):
        table = interpolated(table, rows, columns, offset, antialias)
    expected = (patches + table).reshape(2, -1, 8)
    np.testing.assert_allclose(actual[:, 3:], expected, atol=1e-5)
    np.testing.assert_allclose(actual[:, 1:3], np.stack([registers] * 2), atol=1e-6)
    np.testing.assert_allclose(actual[:, :1], np.stack([first + position[:1]] * 2), atol=1e-6)


@pytest.mark.parametrize("registers", [0, 2])
def test_without_a_class_token_positions_are_the_patches_alone(registers):
    layer = TokenSequence(3, registers, "sincos", class_token=False)
    patches = np.random.default_rng(0).normal(size=(2, 3, 3, 8)).astype("float32")
    actual = tokens(layer, patches)
    assert layer.compute_output_shape((2, 3, 3, 8)) == actual.shape == (2, registers + 9, 8)
    assert len(layer.weights) == 1 + (registers > 0) and layer.position.shape == (9, 8)
    expected = patches.reshape(2, 9, 8) + sincos_positions(3, 8)[1:]
    np.testing.assert_allclose(actual[:, registers:], expected, atol=1e-6)
    assert TokenSequence.from_config(layer.get_config()).has_class_token is False


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX knows every size when it traces")
@pytest.mark.parametrize("antialias, rows", [(False, None), (True, None), (False, 4)])
def test_sizes_known_only_when_it_runs(antialias, rows):
    import tensorflow as tf

    layer = TokenSequence(4, 1, interpolate_antialias=antialias)
    layer.build((None, None, None, 8))
    traced = tf.function(layer.call, input_signature=[tf.TensorSpec((None, rows, None, 8))])
    for shape in ((2, 4, 4, 8), (3, 4, 5, 8), (1, rows or 3, 6, 8)):
        patches = np.random.default_rng(0).normal(size=shape).astype("float32")
        np.testing.assert_allclose(traced(tf.constant(patches)), tokens(layer, patches), atol=1e-6)


def test_positions_are_interpolated_in_float32():
    exact = TokenSequence(4)
    half = TokenSequence(4, dtype="mixed_bfloat16")
    zeros = np.zeros((1, 5, 5, 8), "float32")
    expected = tokens(exact, zeros)
    half.build(zeros.shape)
    half.set_weights(exact.get_weights())
    output = half(zeros)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16" and half.position.dtype == "float32"
    rounded = keras.ops.cast(keras.ops.cast(expected, "bfloat16"), "float32")  # once, at the end
    actual = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
    np.testing.assert_array_equal(actual[:, 1:], keras.ops.convert_to_numpy(rounded)[:, 1:])


def test_sines_and_cosines():
    positions = sincos_positions(3, 8)
    assert positions.shape == (10, 8) and not positions[0].any()
    for row in range(3):
        for column in range(3):
            expected = [f(x * w) for x in (column, row) for f in (np.sin, np.cos) for w in (1.0, 0.01)]
            np.testing.assert_allclose(positions[1 + 3 * row + column], expected, atol=1e-6)
    layer = TokenSequence(3, position="sincos")
    layer.build((None, 3, 3, 8))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.position), positions, atol=1e-7)
    assert [w.path.split("/")[-1] for w in layer.trainable_weights] == ["class_token"]


def test_shapes_and_config():
    layer = TokenSequence(4, 2, "sincos", 0.0, True)
    assert layer(keras.Input((5, 6, 8))).shape == (None, 33, 8)
    assert layer.compute_output_shape((None, None, 6, 8)) == (None, None, 8)
    again = TokenSequence.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    "bad",
    [{"grid": 0}, {"registers": -1}, {"position": "fixed"}, {"interpolate_offset": 1.0}],
)
def test_rejects_unknown_values(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError) as error:
        TokenSequence(**({"grid": 4} | bad))
    assert str(error.value).startswith(f"`{name}`") and str(error.value).endswith(f"Received: {name}={value!r}")


def test_rejects_what_has_no_patch_or_no_room_for_sines():
    with pytest.raises(ValueError, match="at least one patch. Received: 0 x 3 patches"):
        TokenSequence(4)(np.zeros((1, 0, 3, 8), "float32"))
    with pytest.raises(ValueError, match="Received: width=6$"):
        TokenSequence(4, position="sincos").build((None, 4, 4, 6))
