import numpy as np
from keras import ops

from keras_ssl.views.functional.per_sample import per_sample


def test_shapes_and_dtypes():
    assert tuple(per_sample([1, 2, 3]).shape) == (3, 1, 1, 1)
    assert tuple(per_sample(0.5, rank=3).shape) == (1, 1, 1)
    assert ops.convert_to_numpy(per_sample([True, False], dtype="bool")).dtype == bool
    assert ops.convert_to_numpy(per_sample(np.array([1, 2], "int32"), dtype=None)).dtype == "int32"
    np.testing.assert_array_equal(ops.convert_to_numpy(per_sample([1, 2], rank=2)), np.array([[1.0], [2.0]], "float32"))
