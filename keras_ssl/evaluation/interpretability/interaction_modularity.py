"""How well a network falls into modules."""

import numpy as np

from keras_ssl.evaluation.interpretability.checks import as_numbers
from keras_ssl.typing import Tensor

__all__ = ["interaction_modularity"]


def interaction_modularity(interactions: Tensor, modules: Tensor) -> float:
    r"""The share of interactions within modules, less what chance would give (Newman's modularity).

    With weights :math:`A_{ij}` of an undirected graph, degrees :math:`k_i = \sum_j A_{ij}` and
    :math:`2m = \sum_i k_i`,

    .. math:: Q = \frac{1}{2m} \sum_{ij} \left( A_{ij} - \frac{k_i k_j}{2m} \right) [g_i = g_j]

    Of a network, the nodes are the directions of an `interaction_basis` of each layer, and the weights are the sizes of
    their interactions.

    Args:
        interactions: weights `[D, D]`, symmetric and not negative.
        modules: the module of each node, integers or strings `[D]`.

    Returns:
        Q, at most 1; 0 for a single module, and where there is no interaction at all.

    Raises:
        ValueError: if the matrix is not square, symmetric and non-negative, or there is not one module for each node.

    Example:

    >>> two_pairs = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    >>> interaction_modularity(two_pairs, [0, 0, 1, 1]), interaction_modularity(two_pairs, [0, 1, 0, 1])
    (0.5, -0.5)

    Reference:
        Newman, "Modularity and community structure in networks", PNAS 2006; of networks: Bushnaq et al., "Using
        Degeneracy in the Loss Landscape for Mechanistic Interpretability", 2024.
    """
    weights, groups = as_numbers("interactions", interactions, 2), np.asarray(modules)
    if weights.shape[0] != weights.shape[1]:
        raise ValueError(f"`interactions` must be square. Received: interactions.shape={weights.shape}")
    if not np.allclose(weights, weights.T):
        raise ValueError(
            "`interactions` must be symmetric. "
            f"Received: interactions={weights.tolist() if len(weights) < 4 else weights.shape}"
        )
    if (weights < 0).any():
        raise ValueError(f"`interactions` must not be negative. Received: interactions={weights.min()}")
    if groups.shape != (len(weights),):
        raise ValueError(f"`modules` must name one for each node. Received: modules.shape={groups.shape}")
    degree = weights.sum(axis=1)
    total = degree.sum()
    if total == 0:
        return 0.0
    same = groups[:, None] == groups[None, :]
    return float(((weights - np.outer(degree, degree) / total) * same).sum() / total)
