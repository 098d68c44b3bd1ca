"""Tests of keras_ssl.data.selection.checks and k_means."""

import keras
import numpy as np
import pytest

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_features, check_indices, uniforms, unit_rows
from keras_ssl.data.selection.k_means import k_means

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "features", [np.zeros((0, 2)), np.zeros(3), [[np.nan, 1.0]], [[np.inf, 1.0]], [["a", "b"]], [[1j, 0]]]
)
def test_bad_features_are_refused(features):
    with pytest.raises(ValueError, match="`pool`.*Received: pool="):
        check_features("pool", features)


def test_the_bad_row_is_named():
    with pytest.raises(ValueError, match="row 2"):
        check_features("pool", [[0.0], [1.0], [np.nan], [np.inf]])


@pytest.mark.parametrize("indices", [[], [1, 1], [-1], [0.5], [[1]], [True]])
def test_bad_indices_are_refused(indices):
    with pytest.raises(ValueError, match="`rows`.*Received: rows="):
        check_indices("rows", indices)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1, "1", True, None])
def test_bad_numbers_are_refused(value):
    with pytest.raises(ValueError, match="`share`.*Received: share="):
        check_number("share", value, 0.0, 1.0)


def test_bounds_are_inclusive_unless_above():
    assert check_number("share", 0, 0.0, 1.0) == 0.0 and check_number("share", 1, 0.0, 1.0) == 1.0
    with pytest.raises(ValueError, match="greater than 0"):
        check_number("share", 0.0, 0.0, above=True)


def test_unit_rows_of_zero_and_of_huge_numbers():
    found = unit_rows(np.array([[0.0, 0.0], [3e200, 4e200], [3e-200, 4e-200]]))
    np.testing.assert_allclose(found, [[0.0, 0.0], [0.6, 0.8], [0.6, 0.8]])


def test_uniforms_are_uniform_independent_and_pure():
    first, second = uniforms(3, 7, np.arange(20000))
    again = uniforms(3, 7, np.arange(20000)[::-1])[0][::-1]
    np.testing.assert_array_equal(first, again)
    for values in (first, second, uniforms(4, 7, np.arange(20000))[0]):
        assert abs(values.mean() - 0.5) < 0.01 and abs(values.var() - 1 / 12) < 0.005
        assert values.min() >= 0.0 and values.max() < 1.0
    for other in (second, uniforms(4, 7, np.arange(20000))[0], uniforms(3, 8, np.arange(20000))[0]):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.03


def test_k_means_finds_separate_clusters():
    random = np.random.default_rng(0)
    aims = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    centers = k_means(np.concatenate([aim + 0.1 * random.normal(size=(20, 2)) for aim in aims]), 3, seed=0)
    np.testing.assert_allclose(centers[np.lexsort((centers[:, 1], centers[:, 0].round()))], aims[[0, 2, 1]], atol=0.1)


def test_k_means_with_equal_rows_and_as_many_centers_as_rows():
    np.testing.assert_allclose(k_means(np.ones((4, 2)), 3, seed=0), np.ones((3, 2)))
    rows = np.array([[0.0], [1.0], [5.0]])
    np.testing.assert_allclose(np.sort(k_means(rows, 3, seed=0), axis=0), rows)


def test_features_of_bfloat16_are_numbers():
    half = keras.ops.convert_to_numpy(keras.ops.cast([[1.0, -2.5]], "bfloat16"))
    found = check_features("features", half)
    assert found.dtype == "float64" and found.tolist() == [[1.0, -2.5]]
