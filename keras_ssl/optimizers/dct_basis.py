"""The orthogonal matrix of the discrete cosine transform."""

import numpy as np

from keras_ssl.losses.numeric import check_integer

__all__ = ["dct_basis"]


def dct_basis(size: int) -> np.ndarray:
    """An orthogonal matrix whose column j is a cosine of frequency j.

    `D[i, j] = c_j cos(pi (2 i + 1) j / (2 n))` with `c_0 = sqrt(1 / n)` and `c_j = sqrt(2 / n)`: the orthonormal DCT-II
    of a row vector `x` is `x D`, and `D^T D = D D^T = I`.

    Args:
        size: n, a positive integer.

    Returns:
        `[n, n]`, float64.

    Raises:
        ValueError: if `size` is no positive integer.

    Example:

    >>> np.round(dct_basis(2), 4).tolist()
    [[0.7071, 0.7071], [0.7071, -0.7071]]

    Reference: Ahmed, Natarajan and Rao, "Discrete Cosine Transform", IEEE Transactions on Computers 1974.
    """
    size = check_integer("size", size, 1)
    places, frequencies = np.arange(size)[:, None], np.arange(size)[None, :]
    basis = np.sqrt(2.0 / size) * np.cos(np.pi * (2 * places + 1) * frequencies / (2 * size))
    basis[:, 0] = np.sqrt(1.0 / size)
    return basis
