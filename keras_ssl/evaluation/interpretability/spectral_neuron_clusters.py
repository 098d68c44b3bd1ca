"""Groups of neurons of two networks that span the same directions."""

import numpy as np

from keras_ssl.evaluation.interpretability.checks import same_samples
from keras_ssl.evaluation.interpretability.neuron_matching import correlation_matrix
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["spectral_neuron_clusters"]


def spectral_neuron_clusters(
    features: Tensor, other_features: Tensor, clusters: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Groups the neurons of two networks together: a many-to-many matching.

    Neurons are the nodes of a bipartite graph whose edges are the absolute correlations `|C|` between the networks.
    With the adjacency A of it and its degrees D, the rows of the `clusters` leading eigenvectors of
    :math:`D^{-1/2} A D^{-1/2}`, scaled to unit length, are grouped by k-means. Neurons without any edge (constant ones)
    stand at the origin.

    Args:
        features: activations of the first network, `[N, D1]`, N at least 2.
        other_features: activations of the second network on the same samples, `[N, D2]`.
        clusters: number of groups, from 1 to D1 + D2.
        seed: of k-means. Defaults to 0.

    Returns:
        The group of each neuron of the first network, int64 `[D1]`, and of the second, int64 `[D2]`; the numbers of
        the groups are in the order in which they first appear.

    Raises:
        ValueError: if the numbers of samples differ, a row holds NaN or infinity, or `clusters` is out of range.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 500, 1))
    >>> first, second = spectral_neuron_clusters(np.hstack([a, a, b]), np.hstack([b, a]), clusters=2)
    >>> first.tolist(), second.tolist()
    ([0, 0, 1], [1, 0])

    Reference:
        Li et al., "Convergent Learning: Do different neural networks learn the same representations?", ICLR 2016; the
        eigenvectors: Ng et al., "On Spectral Clustering: Analysis and an algorithm", NeurIPS 2001.
    """
    x, y = same_samples("features", features, "other_features", other_features)
    count = x.shape[1] + y.shape[1]
    clusters, seed = check_integer("clusters", clusters, 1, count), check_integer("seed", seed, 0)
    try:
        from sklearn.cluster import KMeans
    except ImportError as error:
        raise ImportError("spectral_neuron_clusters needs scikit-learn: pip install scikit-learn") from error
    edges = np.abs(correlation_matrix(x, y))
    adjacency = np.zeros((count, count))
    adjacency[: len(edges), len(edges) :] = edges
    adjacency[len(edges) :, : len(edges)] = edges.T
    degree = adjacency.sum(axis=1)
    scale = np.where(degree > 0, 1.0 / np.sqrt(np.where(degree > 0, degree, 1.0)), 0.0)
    _, vectors = np.linalg.eigh(scale[:, None] * adjacency * scale)
    places = vectors[:, -clusters:]
    length = np.linalg.norm(places, axis=1, keepdims=True)
    places = np.where(length > 1e-12, places / np.where(length > 1e-12, length, 1.0), 0.0)
    found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(places)
    _, first = np.unique(found, return_index=True)
    order = np.empty(found.max() + 1, np.int64)
    order[found[np.sort(first)]] = np.arange(len(first))
    groups = order[found]
    return groups[: x.shape[1]], groups[x.shape[1] :]
