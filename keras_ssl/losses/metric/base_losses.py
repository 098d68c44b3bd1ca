"""The losses of metric learning that Metrix extends, each by its own name."""

from keras_ssl.losses.metric.metrix_loss import metrix_loss
from keras_ssl.typing import Tensor

__all__ = ["contrastive_pair_loss", "multi_similarity_loss", "proxy_anchor_loss"]


def contrastive_pair_loss(z: Tensor, labels: Tensor, margin: float = 0.5) -> Tensor:
    """The contrastive loss of cosines: `pair_loss(..., "contrastive")` of all pairs of different samples.

    `mean_i ( sum_{j same class} -s_ij + sum_{j other class} max(0, s_ij - margin) )`.

    Args:
        z: embeddings `[N, D]`; L2-normalized here.
        labels: integers `[N]`; pairs with a negative label (unlabeled) are left out.
        margin: a cosine. Defaults to 0.5.

    Returns:
        A scalar.

    Example:

    >>> round(float(contrastive_pair_loss(np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([0, 1]))), 4)
    0.3

    Reference:
        Hadsell et al., "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.
    """
    return metrix_loss(z, labels, base="contrastive", margin=margin)


def multi_similarity_loss(
    z: Tensor, labels: Tensor, positive_scale: float = 18.0, negative_scale: float = 75.0, margin: float = 0.77
) -> Tensor:
    """The multi-similarity loss, without mining: `pair_loss` of all pairs of different samples.

    `mean_i log(1 + sum_{same class} exp(-b (s_ij - m))) / b + log(1 + sum_{other class} exp(g (s_ij - m))) / g`.

    Args:
        z: embeddings `[N, D]`; L2-normalized here.
        labels: integers `[N]`; pairs with a negative label (unlabeled) are left out.
        positive_scale: b > 0. Defaults to 18, as for Metrix; the loss's own paper takes 2.
        negative_scale: g > 0. Defaults to 75; the loss's own paper takes 50.
        margin: m, a cosine. Defaults to 0.77; the loss's own paper takes 1.

    Returns:
        A scalar.

    Example:

    >>> z = np.array([[1.0, 0.0], [0.8, 0.6]])
    >>> round(float(multi_similarity_loss(z, np.array([0, 1]), 1.0, 1.0, 0.8)), 4)
    0.6931

    Reference:
        Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning", CVPR 2019.
    """
    return metrix_loss(
        z,
        labels,
        base="multi_similarity",
        positive_scale=positive_scale,
        negative_scale=negative_scale,
        margin=margin,
    )


def proxy_anchor_loss(z: Tensor, labels: Tensor, proxies: Tensor, scale: float = 32.0, margin: float = 0.1) -> Tensor:
    """The proxy-anchor loss: one learned proxy for each class is the anchor of all samples of a batch.

    With the cosines s of sample and proxy, `mean_{proxies with samples} log(1 + sum_{own} exp(-a (s - m)))` plus
    `mean_{all proxies} log(1 + sum_{others} exp(a (s + m)))`.

    Args:
        z: embeddings `[N, D]`; L2-normalized here.
        labels: integers `[N]`, the rows of `proxies`; samples with a negative label (unlabeled) are left out.
        proxies: `[C, D]`; L2-normalized here.
        scale: a > 0. Defaults to 32.
        margin: m. Defaults to 0.1.

    Returns:
        A scalar.

    Example:

    >>> loss = proxy_anchor_loss(np.array([[1.0, 0.0]]), np.array([0]), np.eye(2), scale=1.0, margin=0.0)
    >>> round(float(loss), 4)  # log(1 + 1/e) + (0 + log 2) / 2
    0.6598

    Reference:
        Kim et al., "Proxy Anchor Loss for Deep Metric Learning", CVPR 2020.
    """
    return metrix_loss(z, labels, base="proxy_anchor", proxies=proxies, scale=scale, margin=margin)
