import numpy as np
import pytest
import scipy.fft

from keras_ssl.optimizers import dct_basis


@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_orthogonal_and_that_of_scipy(size):
    basis = dct_basis(size)
    np.testing.assert_allclose(basis.T @ basis, np.eye(size), atol=1e-12)
    rows = np.random.default_rng(0).normal(size=(3, size))
    np.testing.assert_allclose(rows @ basis, scipy.fft.dct(rows, norm="ortho", axis=1), atol=1e-12)


@pytest.mark.parametrize("size", [0, -1, 1.5, float("nan")])
def test_rejects(size):
    with pytest.raises(ValueError, match="`size`.*Received: size="):
        dct_basis(size)
