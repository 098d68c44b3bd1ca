"""Features in the plane, by scikit-learn: the same picture at every run."""

import warnings

import numpy as np

_FEWEST = 5  # points that t-SNE can arrange
_PERPLEXITY = 30.0


def by_pca(features: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first two principal components, and the share of the variance that each explains.

    Where there is only one dimension or one sample, or all samples are alike, what is missing is zero.

    Args:
        features: finite, `[N, D]`.
        seed: of the randomised decomposition that large features get. Defaults to 0.

    Returns:
        `[N, 2]` and `[2]`, float64.
    """
    from sklearn.decomposition import PCA

    places, shares = np.zeros((len(features), 2)), np.zeros(2)
    count = min(2, *features.shape)
    centered = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    if len(features) > 1 and centered.std() > 1e-12 * np.abs(features).max():
        pca = PCA(count, random_state=seed)
        places[:, :count] = pca.fit_transform(centered)
        shares[:count] = pca.explained_variance_ratio_
    return places, shares


def by_tsne(features: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """The map of t-SNE, `[N, 2]`, begun at the principal components; None for fewer than five samples.

    The perplexity is 30, or less where there are few samples.

    Args:
        features: finite, `[N, D]`.
        seed: of the random generator. Defaults to 0.

    Reference:
        van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008.
    """
    if len(features) < _FEWEST:
        return None
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    start, _ = by_pca(features, seed)
    start *= 1e-4 / (start[:, 0].std() or 1.0)
    model = TSNE(init=start.astype(np.float32), perplexity=min(_PERPLEXITY, (len(features) - 1) / 3), random_state=seed)
    # One thread: sums come out in one order, and on a busy machine it is several times faster than two.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # features that are all alike
        return model.fit_transform(features)
