"""Similarities of embeddings that should be those of multi-label vectors."""

import keras

from keras_ssl.losses.metric.checks import check_finite_positive, check_matrix
from keras_ssl.losses.numeric import check_pair, l2_normalize
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.typing import Tensor

__all__ = ["label_similarities", "soft_similarity_loss"]


def label_similarities(labels: Tensor) -> Tensor:
    """The cosines of multi-label vectors, with ones on the diagonal.

    0 for samples without a common label, 1 for equal ones. A sample without any label is like itself alone.

    Args:
        labels: not negative, usually 0 and 1, `[N, L]`.

    Returns:
        `[N, N]`.

    Raises:
        ValueError: if `labels` is not `[N, L]`.

    Example:

    >>> keras.ops.convert_to_numpy(label_similarities(np.array([[1, 1, 1, 1], [1, 0, 0, 0]]))).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    ops = keras.ops
    y = l2_normalize(check_matrix("labels", labels))
    cosines = ops.clip(ops.matmul(y, ops.transpose(y)), 0.0, 1.0)
    oneself = equal_pairs(ops.arange(ops.shape(y)[0], dtype="int32"))
    return ops.where(oneself, ops.ones_like(cosines), cosines)


def soft_similarity_loss(z1: Tensor, z2: Tensor, labels: Tensor, temperature: float = 0.2) -> Tensor:
    r"""Binary cross-entropy between the similarities of two views' embeddings and those of the samples' labels.

    With `t_ij` of `label_similarities` and `s_ij` the cosine of row i of the first and row j of the second view:

    `-mean_ij ( t_ij log sigmoid(s_ij / T) + (1 - t_ij) log(1 - sigmoid(s_ij / T)) )`, over all N^2 entries.

    One-hot labels that all differ have the identity as target (each sample is its own class), those of classes have
    blocks.

    Args:
        z1: embeddings of the first view, `[N, D]`; L2-normalized here.
        z2: embeddings of the second view, `[N, D]`.
        labels: multi-label vectors, `[N, L]`.
        temperature: T > 0. Defaults to 0.2.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes do not fit or the temperature is not positive.

    Example:

    >>> z = np.array([[1.0, 0.0], [-1.0, 0.0]])
    >>> round(float(soft_similarity_loss(z, z, np.eye(2), temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133

    Reference:
        Wang et al., "Multi-Label Guided Soft Contrastive Learning for Efficient Earth Observation Pretraining", 2024.
    """
    check_finite_positive("temperature", temperature)
    ops = keras.ops
    z1, z2 = check_matrix("z1", z1), check_matrix("z2", z2)
    check_pair(z1, z2)
    labels = check_matrix("labels", labels)
    if None not in (z1.shape[0], labels.shape[0]) and labels.shape[0] != z1.shape[0]:
        raise ValueError(
            f"`labels` must hold a vector for each of {z1.shape[0]} samples. "
            f"Received: labels.shape={tuple(labels.shape)}"
        )
    logits = ops.matmul(l2_normalize(z1), ops.transpose(l2_normalize(z2, z1))) / temperature
    target = ops.stop_gradient(ops.cast(label_similarities(labels), logits.dtype))
    # -t log sigmoid(x) - (1 - t) log sigmoid(-x)
    return ops.mean(ops.softplus(logits) - target * logits)
