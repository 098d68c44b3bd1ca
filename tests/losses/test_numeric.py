import re

import keras
import numpy as np
import pytest

from keras_ssl.losses.numeric import as_float, check_integer, check_pair, check_positive, l2_normalize


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32", "uint8"])
def test_as_float_computes_in_nothing_less_than_float32(dtype):
    x = keras.ops.cast(keras.ops.convert_to_tensor([[1, 2], [3, 4]]), dtype)
    y = as_float(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    np.testing.assert_array_equal(numbers(y), [[1, 2], [3, 4]])


def test_as_float_keeps_float64(value_and_gradients):
    # 1 + 1e-12 is 1 in float32.
    value, _ = value_and_gradients(lambda x: keras.ops.sum(as_float(x)) - 1.0, np.array([1.0 + 1e-12]), dtype="float64")
    assert value == pytest.approx(1e-12, rel=1e-3)


def test_l2_normalize_gives_unit_rows_of_the_same_direction():
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32") * np.logspace(-8, 8, 6)[:, None]
    y = numbers(l2_normalize(x.astype("float32")))
    for row, out in zip(x, y, strict=True):
        length = sum(value**2 for value in row) ** 0.5
        np.testing.assert_allclose(out, [value / length for value in row], rtol=1e-5)


def test_l2_normalize_works_on_the_last_axis_of_any_rank():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_allclose(
        numbers(l2_normalize(x)), np.stack([numbers(l2_normalize(part)) for part in x]), rtol=1e-6
    )


def test_l2_normalize_has_the_gradient_of_finite_differences(value_and_gradients, finite_differences):
    x, weight = np.random.default_rng(1).normal(size=(2, 3, 4))

    def reference(x):
        return sum(np.dot(w, row) / np.sqrt(np.dot(row, row)) for w, row in zip(weight, x, strict=True))

    value, (gradient,) = value_and_gradients(lambda x: keras.ops.sum(l2_normalize(x) * weight), x, dtype="float64")
    assert value == pytest.approx(reference(x), rel=1e-10)
    np.testing.assert_allclose(gradient, finite_differences(reference, x)[0], atol=1e-8)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_zero_row_stays_zero_and_gets_the_gradient_zero(value_and_gradients, dtype):
    x = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    np.testing.assert_allclose(numbers(l2_normalize(x.astype("float32"))), [[0, 0, 0], [0.6, 0, 0.8]], rtol=1e-6)
    _, (gradient,) = value_and_gradients(lambda x: keras.ops.sum(l2_normalize(as_float(x))), x, dtype=dtype)
    np.testing.assert_array_equal(gradient[0], [0.0, 0.0, 0.0])
    assert np.abs(gradient[1]).max() > 0.01


@pytest.mark.parametrize("value", [0, 0.0, -1, -0.1, float("nan")])
def test_check_positive_refuses_what_is_not_above_zero(value):
    with pytest.raises(ValueError, match=f"`weight` must be greater than 0. Received: weight={value}"):
        check_positive("weight", value)


def test_check_positive_refuses_infinity():
    with pytest.raises(ValueError, match="`weight` must be greater than 0 and finite. Received: weight=inf"):
        check_positive("weight", float("inf"))


def test_check_positive_passes_the_value_on():
    assert check_positive("weight", 0.07) == 0.07


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((4, 3), (4, 2)),
        ((4, 3), (5, 3)),
        ((4, 3), (1, 3)),
        ((3,), (3,)),
        ((4, 3), (3,)),
        ((2, 4, 3), (2, 4, 3)),
    ],
)
def test_check_pair_refuses_what_is_not_two_matrices_of_one_shape(first, second):
    with pytest.raises(ValueError, match=r"of one shape.*Received: shapes \(.*\) and \(.*\)"):
        check_pair(np.zeros(first), np.zeros(second))


def test_check_pair_takes_a_batch_whose_length_is_not_known_yet():
    check_pair(keras.KerasTensor((None, 3)), keras.KerasTensor((4, 3)))
    check_pair(keras.KerasTensor((None, 3)), keras.KerasTensor((None, 3)))
    check_pair(np.zeros((4, 3)), np.zeros((4, 3)))


@pytest.mark.parametrize("value", [0, 1.5, -3, True, "2", None, float("nan"), float("inf")])
def test_check_integer_names_the_argument(value):
    assert check_integer("count", 2, 1) == check_integer("count", 2.0, 1) == check_integer("count", np.int64(2), 1) == 2
    with pytest.raises(ValueError, match=re.escape(f"`count` must be a positive integer. Received: count={value!r}")):
        check_integer("count", value, 1)
    with pytest.raises(ValueError, match="`count` must be an integer of at least 3. Received: count=2"):
        check_integer("count", 2, 3)


@pytest.mark.parametrize("value", [2, 6, 4.5, "4", float("nan")])
def test_check_integer_between_two_limits(value):
    assert check_integer("count", 3, 3, 5) == 3 and check_integer("count", 5, 3, 5) == 5
    wanted = f"`count` must be an integer from 3 to 5. Received: count={value!r}"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        check_integer("count", value, 3, 5)


def test_rows_of_nan_stay_nan_and_others_do_not():
    x = np.array([[3.0, 4.0], [np.nan, 1.0], [0.0, 0.0]], "float32")
    y = keras.ops.convert_to_numpy(l2_normalize(x))
    np.testing.assert_allclose(y, [[0.6, 0.8], [np.nan, np.nan], [0.0, 0.0]], rtol=1e-6)
