import numpy as np
import pytest

from keras_ssl.checkpoints.weight_table import MappedWeight, conv_kernel, dense_kernel, without_batch


def test_kernels_change_their_axes():
    kernel = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    turned = conv_kernel(kernel)
    assert turned.shape == (4, 5, 3, 2)
    assert all(turned[h, w, i, o] == kernel[o, i, h, w] for o, i, h, w in np.ndindex(kernel.shape))
    np.testing.assert_array_equal(dense_kernel(kernel[0, 0]), [[row[i] for row in kernel[0, 0]] for i in range(5)])


def test_a_batch_of_one_is_taken_away_and_no_other():
    array = np.arange(6).reshape(1, 2, 3)
    np.testing.assert_array_equal(without_batch(array), [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(ValueError):
        without_batch(array[0])


def test_a_weight_is_unchanged_by_default():
    array = np.ones(3)
    assert MappedWeight("bn/gamma").transform(array) is array
