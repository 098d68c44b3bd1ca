"""Metrix: mixup for losses of metric learning."""

import keras

from keras_ssl.losses.metric.checks import check_labels, check_matrix, check_weight
from keras_ssl.losses.metric.pair_loss import pair_loss
from keras_ssl.losses.numeric import check_classes, l2_normalize
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.typing import Tensor

__all__ = ["metrix_loss"]

PAIRS = ("positive_negative", "all")


def metrix_loss(
    z: Tensor,
    labels: Tensor,
    mixed: Tensor | None = None,
    partner_labels: Tensor | None = None,
    coefficients: Tensor | None = None,
    weight: float = 0.4,
    base: str = "multi_similarity",
    proxies: Tensor | None = None,
    pairs: str = "positive_negative",
    **options: float,
) -> Tensor:
    r"""A loss of metric learning, plus the same loss of mixed samples with interpolated labels.

    `L(clean) + weight * L(mixed)`, both by `pair_loss`. The clean pairs are those of different samples, or of proxy and
    sample. Mixed sample j is a mixture of two samples, a share c_j of the first; its label with anchor a is
    `y = c_j [class of the first = class of a] + (1 - c_j) [class of the second = class of a]`.

    With `pairs="positive_negative"` an anchor sees only mixed samples of which exactly one part has its class; with
    "all" it sees all, among them mixtures of two positives (y = 1) and of two negatives (y = 0).

    Args:
        z: embeddings `[N, D]`; L2-normalized here.
        labels: integers `[N]`. Pairs with a negative label (unlabeled), and mixtures with one, are left out.
        mixed: embeddings of the mixed samples `[N, D]`; L2-normalized here. They may be mixtures of embeddings, or
            embeddings of mixed inputs or features. Sample j of `labels` is the first part of row j. None (default):
            the clean loss alone.
        partner_labels: the class of the second part of each mixture, integers `[N]`.
        coefficients: c, the share of the first part, `[N]`, in [0, 1].
        weight: of the mixed loss, not negative. Defaults to 0.4, the paper's; 0 is the base loss.
        base: "multi_similarity" (default), "contrastive" or "proxy_anchor".
        proxies: `[C, D]`, for "proxy_anchor" alone; L2-normalized here. Labels are their rows.
        pairs: "positive_negative" (default), the paper's, or "all".
        **options: of the base loss, as for `pair_loss`.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes do not fit, labels are not integers, an option is unknown or out of range, or proxies are
            given to another base or missing.

    Example:

    >>> z, labels, order = np.eye(4, dtype="float32"), np.array([0, 0, 1, 1]), np.array([2, 3, 0, 1])
    >>> loss = metrix_loss(z, labels, 0.5 * z + 0.5 * z[order], labels[order], np.full(4, 0.5))
    >>> bool(loss > metrix_loss(z, labels))
    True

    Reference:
        Venkataramanan et al., "It Takes Two to Tango: Mixup for Deep Metric Learning", ICLR 2022.
    """
    check_weight("weight", weight)
    if pairs not in PAIRS:
        raise ValueError(f"`pairs` must be one of {PAIRS}. Received: pairs={pairs!r}")
    if (proxies is not None) != (base == "proxy_anchor"):
        given = "None" if proxies is None else "an array"
        raise ValueError(f"`proxies` belong to the base 'proxy_anchor'. Received: base={base!r}, proxies={given}")
    ops = keras.ops
    z = l2_normalize(check_matrix("z", z))
    labels = check_labels("labels", labels, z.shape[0])
    if proxies is None:
        anchors, anchor_labels = z, labels
        different = ops.logical_not(equal_pairs(ops.arange(ops.shape(z)[0], dtype="int32")))
    else:
        anchors = l2_normalize(ops.cast(check_matrix("proxies", proxies), z.dtype))
        labels = check_classes("labels", labels, z.shape[:1], anchors.shape[0])
        anchor_labels = ops.arange(ops.shape(anchors)[0], dtype="int32")
        different = ops.ones((ops.shape(anchors)[0], ops.shape(z)[0]), dtype="bool")
    known_anchors = (anchor_labels >= 0)[:, None]

    def loss(rows: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        similarities = ops.matmul(anchors, ops.transpose(rows))
        mask = ops.logical_and(known_anchors, mask)
        return pair_loss(similarities, targets, base, ops.cast(mask, similarities.dtype), **options)

    first = ops.cast(ops.equal(anchor_labels[:, None], labels[None, :]), z.dtype)
    known = ops.logical_and(different, (labels >= 0)[None, :])
    clean = loss(z, first, known)
    if mixed is None or not weight:
        return clean
    if partner_labels is None or coefficients is None:
        raise ValueError(
            "`mixed` needs `partner_labels` and `coefficients`. Received: "
            f"partner_labels={partner_labels}, coefficients={coefficients}"
        )
    mixed = l2_normalize(ops.cast(check_matrix("mixed", mixed), z.dtype))
    partners = ops.cast(check_labels("partner_labels", partner_labels, mixed.shape[0]), labels.dtype)
    shares = ops.cast(check_labels("coefficients", coefficients, mixed.shape[0], integers=False), z.dtype)[None, :]
    second = ops.cast(ops.equal(anchor_labels[:, None], partners[None, :]), z.dtype)
    targets = shares * first + (1.0 - shares) * second
    counted = ops.logical_and(labels >= 0, partners >= 0)[None, :]
    if pairs == "positive_negative":
        counted = ops.logical_and(counted, ops.not_equal(first, second))
    else:
        counted = ops.logical_and(counted, ops.ones_like(known))
    return clean + weight * loss(mixed, targets, counted)
