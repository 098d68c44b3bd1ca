import itertools

import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError
from keras_ssl.checkpoints.tensor_parts import Storage, TensorPart, decode_storage, make_storage

CONTENT = np.arange(7, dtype="float32")


def elements(offset, shape, strides):
    """The storage's element that each index has, one after the other."""
    return [offset + sum(i * s for i, s in zip(index, strides, strict=True)) for index in np.ndindex(*shape)]


def test_a_tensor_is_refused_where_an_element_lies_outside_and_else_right():
    """All small shapes, strides and offsets of a view of four of the seven elements."""
    storage = make_storage("float32", "0", 7, ("view", 2, 4))
    inside = 0
    for offset, *shape_and_strides in itertools.product(range(6), range(4), range(3), range(4), range(3)):
        shape, strides = tuple(shape_and_strides[:2]), tuple(shape_and_strides[2:])
        reached = elements(offset, shape, strides)
        if all(element < 4 for element in reached or [offset - 1]):
            array = TensorPart(storage, offset, shape, strides).array(CONTENT)
            np.testing.assert_array_equal(array, CONTENT[2:6][np.array(reached, int)].reshape(shape))
            inside += 1
        else:
            with pytest.raises(CheckpointError, match="reaches beyond its storage of 4 elements"):
                TensorPart(storage, offset, shape, strides)
    assert inside > 500


def test_bytes_count_every_dimension():
    storage = Storage("0", "float64", 9, 0, 9)
    assert storage.nbytes == 72
    assert TensorPart(storage, 0, (3, 2), (2, 1)).nbytes == 48
    assert TensorPart(storage, 0, (0, 2), (2, 1)).nbytes == 16
    half = Storage("0", "bfloat16", 9, 0, 9)
    assert half.nbytes == 18 and TensorPart(half, 0, (9,), (1,)).nbytes == 36


def test_every_bfloat16_is_its_float32():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bits = np.arange(2**16, dtype="<u2")
    expected = bits.view(ml_dtypes.bfloat16).astype("float32")
    np.testing.assert_array_equal(decode_storage(bits.view(np.uint8), "bfloat16"), expected)


def test_any_byte_but_zero_is_true():
    np.testing.assert_array_equal(decode_storage(np.array([0, 1, 255], np.uint8), "bool"), [False, True, True])
