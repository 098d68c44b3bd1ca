"""Directions of a layer that vary, and that later layers read."""

from dataclasses import dataclass

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.checks import as_numbers
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor

__all__ = ["InteractionBasis", "interaction_basis"]


@dataclass(frozen=True)
class InteractionBasis:
    """A basis of a layer's activations, by importance.

    Attributes:
        spectrum: float64 `[R]`, in descending order: how strongly each direction is read, weighted by its variance.
        transform: float64 `[R, D]`: `activations @ transform.T` are the coordinates `[N, R]`.
        inverse: float64 `[D, R]`: `coordinates @ inverse.T` are the activations, but for what was cut off.

    Example:

    >>> basis = interaction_basis(np.eye(2), np.ones((2, 1, 2)))
    >>> basis.rank, basis.transform.shape
    (1, (1, 2))
    """

    spectrum: np.ndarray
    transform: np.ndarray
    inverse: np.ndarray

    @property
    def rank(self) -> int:
        """Number of directions."""
        return len(self.spectrum)

    def project(self, activations: Tensor, rank: int | None = None) -> np.ndarray:
        """Activations `[N, D]` with all but the first `rank` directions taken out (None: those of the basis)."""
        count = self.rank if rank is None else rank
        return np.asarray(activations, np.float64) @ self.transform[:count].T @ self.inverse[:, :count].T


def interaction_basis(activations: Tensor, jacobians: Tensor, tolerance: float = 1e-9) -> InteractionBasis:
    r"""The interaction basis of a layer: directions that vary over the data and that the next layer depends on.

    With the Gram matrix :math:`G = \frac{1}{N} \sum_n f_n f_n^\top = U D U^\top` of the activations (not centered, zero
    eigenvalues cut off) and the Jacobians :math:`J_n`, let

    .. math:: M = \frac{1}{N} \sum_n (J_n U D^{1/2})^\top (J_n U D^{1/2}) = V \Lambda V^\top

    (zero eigenvalues cut off). The basis is :math:`C = \Lambda^{1/2} V^\top D^{-1/2} U^\top`, and
    :math:`C^{+} = U D^{1/2} V \Lambda^{-1/2}`. The spectrum :math:`\Lambda` has the non-zero eigenvalues of
    :math:`G \cdot \frac{1}{N} \sum_n J_n^\top J_n`: an invertible linear change of the activations leaves it as it is,
    and neither linearly dependent activations nor directions that nothing reads add to its rank.

    The Jacobians are those of the next layer's coordinates by this layer's activations. The paper integrates them along
    the line from 0 to the activations (integrated gradients): see `activation_jacobians(..., steps=...)`.

    Args:
        activations: of the layer, `[N, D]`; with a constant column where the bias is to be part of the basis.
        jacobians: `[N, K, D]`, of K outputs by the activations, or `[K, D]`, the same for all samples.
        tolerance: eigenvalues below this share of the largest count as zero, in [0, 1). Defaults to 1e-9.

    Returns:
        An `InteractionBasis` with `spectrum`, `transform` and `inverse`.

    Raises:
        ValueError: if shapes do not fit, a number is not finite, or `tolerance` is out of range.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> reads = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])  # nothing reads the last activation
    >>> interaction_basis(x, reads).rank
    2

    Reference:
        Bushnaq et al., "Using Degeneracy in the Loss Landscape for Mechanistic Interpretability", 2024.
    """
    f, jacobian = as_features("activations", activations).astype(np.float64), as_numbers("jacobians", jacobians)
    tolerance = check_number("tolerance", tolerance, 0.0, 1.0)
    if jacobian.ndim == 2:
        jacobian = jacobian[None]
    if jacobian.ndim != 3 or jacobian.shape[0] not in (1, len(f)) or jacobian.shape[2] != f.shape[1]:
        raise ValueError(
            "`jacobians` must be [N, K, D] or [K, D], with the N and D of `activations`. "
            f"Received: jacobians.shape={np.shape(jacobians)}, activations.shape={f.shape}"
        )
    variances, directions = _positive_part(f.T @ f / len(f), tolerance)
    root = np.sqrt(variances)
    reads = jacobian @ (directions * root)  # [N, K, R]
    flat = reads.reshape(reads.shape[0] * reads.shape[1], reads.shape[2])  # of any R, none too
    spectrum, rotation = _positive_part(flat.T @ flat / len(reads), tolerance)
    scale = np.sqrt(spectrum)
    transform = (scale * (rotation / root[:, None])).T @ directions.T
    inverse = directions @ (root[:, None] * rotation) / scale
    return InteractionBasis(spectrum, transform, inverse)


def _positive_part(matrix: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of a symmetric matrix above a share of the largest, in descending order, and their eigenvectors."""
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = values[::-1], vectors[:, ::-1]
    keep = values > max(tolerance, 1e-15) * max(values[0], 0.0) if len(values) else values > 0
    return values[keep], vectors[:, keep]
