"""Images of a tf.data dataset, in memory."""

import numpy as np
import pytest

from keras_ssl.data import from_tf_data
from keras_ssl.data.from_tf_data import is_tf_data

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.once
X = np.random.RandomState(0).randint(0, 256, (7, 4, 5, 3), "uint8")


def slices(of):
    return tf.data.Dataset.from_tensor_slices(of)


@pytest.mark.parametrize(
    "data",
    [
        slices(X),
        slices(X).batch(3),
        slices((X, np.arange(7))),
        slices({"image": X, "label": np.arange(7)}).batch(2),
        slices(({"x": X}, np.arange(7))),
    ],
    ids=["images", "batches", "tuples", "dicts", "nested"],
)
def test_reads_all_images_in_order(data):
    found = from_tf_data(data)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, X)


def test_what_is_tf_data():
    assert is_tf_data(slices(X)) and not is_tf_data(X)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (slices(X).repeat(), {}, "must end"),
        (slices(X).take(0), {}, "without elements"),
        (slices(X).map(lambda x: x[0, 0]), {}, r"elements of shape \(3,\)"),
        (slices({"pixels": X}), {}, "with keys pixels"),
        (slices(X).concatenate(slices(X[:, :2])), {}, r"images of shapes \(4, 5, 3\) and \(2, 5, 3\)"),
        (slices(X), {"most_bytes": 5 * 60}, "with more, after 6 images"),
        (slices(X), {"most_bytes": 0}, "most_bytes=0"),
        (slices(X), {"most_bytes": float("nan")}, "most_bytes=nan"),
    ],
)
def test_refuses(data, options, message):
    with pytest.raises(ValueError, match=message):
        from_tf_data(data, **options)
