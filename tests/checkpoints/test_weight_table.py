import numpy as np

from keras_ssl.checkpoints.weight_table import MappedWeight, conv_kernel, dense_kernel


def test_kernels_change_their_axes():
    kernel = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    turned = conv_kernel(kernel)
    assert turned.shape == (4, 5, 3, 2)
    assert all(turned[h, w, i, o] == kernel[o, i, h, w] for o, i, h, w in np.ndindex(kernel.shape))
    np.testing.assert_array_equal(dense_kernel(kernel[0, 0]), [[row[i] for row in kernel[0, 0]] for i in range(5)])


def test_a_weight_is_unchanged_by_default():
    array = np.ones(3)
    assert MappedWeight("bn/gamma").transform(array) is array
