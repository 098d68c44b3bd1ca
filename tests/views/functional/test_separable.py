import numpy as np
from keras import ops

from keras_ssl.views.functional.separable import local_sums, local_sums_pay, separable


def test_equals_the_sum_in_its_docstring():
    rng = np.random.default_rng(0)
    images, rows, columns = (
        rng.normal(size=(2, 5, 4, 3)),
        rng.normal(size=(2, 6, 5)),
        rng.normal(size=(2, 7, 4)),
    )
    expected = np.zeros((2, 6, 7, 3))
    for n, o, q, c in np.ndindex(expected.shape):
        expected[n, o, q, c] = rows[n, o] @ images[n, :, :, c] @ columns[n, q]
    got = separable(images.astype("float32"), rows.astype("float32"), columns.astype("float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(got), expected, atol=1e-5)


def test_sums_are_taken_only_where_they_are_allowed_and_pay():
    assert not local_sums_pay(4, 224)
    with local_sums():
        assert local_sums_pay(4, 224) and local_sums_pay(23, 224)
        assert not local_sums_pay(4, 32)  # too few rows for a product to cost much
        assert not local_sums_pay(40, 224) and not local_sums_pay(40, 4000)  # too many terms
    assert not local_sums_pay(4, 224)
