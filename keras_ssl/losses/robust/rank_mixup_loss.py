"""Losses of RankMixup: the order of confidences must be the order of mixing coefficients."""

import math

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["mixup_ndcg_loss", "mixup_ranking_loss"]


def _inputs(raw: Tensor, mixed: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    raw, mixed, coefficients = as_float(raw), as_float(mixed, raw), as_float(coefficients, raw)
    if len(raw.shape) != 2 or len(mixed.shape) != 3 or mixed.shape[2] != raw.shape[1] or mixed.shape[1] == 0:
        raise ValueError(
            "`mixed` must be [N, V, K], V copies for each sample of `raw` [N, K]. "
            f"Received: mixed.shape={tuple(mixed.shape)}, raw.shape={tuple(raw.shape)}"
        )
    if len(coefficients.shape) != 2 or coefficients.shape[1] != mixed.shape[1]:
        raise ValueError(
            f"`coefficients` must be [N, V] with V={mixed.shape[1]}. "
            f"Received: coefficients.shape={tuple(coefficients.shape)}"
        )
    return raw, mixed, coefficients


def mixup_ranking_loss(
    raw: Tensor, mixed: Tensor, coefficients: Tensor, margin: float = 0.1, confidence: str = "probability"
) -> Tensor:
    """A mixed image must be predicted with less confidence than the raw one, by a margin.

    `max(0, confidence(mixed) - confidence(raw) + margin)`, the mean over the V copies. A copy whose coefficient is 1
    is the image itself, or was mixed with one of its class: it gives 0, and counts in the mean.

    Args:
        raw: logits of the images, `[N, K]`.
        mixed: logits of V mixed copies of each, `[N, V, K]`.
        coefficients: the greatest entry of each copy's mixed label, `[N, V]`: `max(a, 1 - a)` for images of two
            classes, mixed with a and 1 - a, and 1 for images of one.
        margin: at least 0. Defaults to 0.1, as in the authors' code.
        confidence: "probability": of the predicted class; or "logit": the greatest logit, as in the authors' code.
            Defaults to "probability".

    Returns:
        The loss of each image, float32 `[N]`.

    Raises:
        ValueError: if the margin is negative or not finite, `confidence` is unknown, or shapes do not fit.

    Example:

    >>> raw, mixed = keras.ops.array([[0.0, 0.0]]), keras.ops.array([[[0.0, 0.0], [9.0, 9.0]]])
    >>> round(float(mixup_ranking_loss(raw, mixed, keras.ops.array([[0.7, 1.0]]), margin=0.2)[0]), 4)
    0.1

    Reference:
        Noh et al., "RankMixup: Ranking-Based Mixup Training for Network Calibration", ICCV 2023.
    """
    check_margin(margin)
    if confidence not in ("probability", "logit"):
        raise ValueError(f'`confidence` must be "probability" or "logit". Received: confidence={confidence!r}')
    ops = keras.ops
    raw, mixed, coefficients = _inputs(raw, mixed, coefficients)
    if confidence == "probability":
        raw, mixed = ops.softmax(raw, axis=-1), ops.softmax(mixed, axis=-1)
    excess = ops.max(mixed, axis=-1) - ops.max(raw, axis=-1)[:, None] + margin
    counted = ops.cast(coefficients < 1.0, excess.dtype)
    return ops.mean(counted * ops.relu(excess), axis=1)


def check_margin(margin: float) -> float:
    """`margin`, or an error if it is negative or not finite."""
    if not 0.0 <= margin < math.inf:
        raise ValueError(f"`margin` must be 0 or more, and finite. Received: margin={margin}")
    return float(margin)


def mixup_ndcg_loss(raw: Tensor, mixed: Tensor, coefficients: Tensor) -> Tensor:
    r"""Confidences of an image and its mixed copies must decay as their mixing coefficients do.

    With the image first (coefficient 1) and its copies by falling coefficients `c`, and confidences `p` (the greatest
    probability) in that order:

        DCG = sum_i p_i / log2(i + 1),     IDCG = sum_i c_i / log2(i + 1),     i = 1 ... V + 1
        loss = 1 - min(DCG / IDCG, IDCG / DCG)

    It is 0 where confidences equal the coefficients, and lies in [0, 1). Copies of equal coefficients are taken in
    the order given.

    Args:
        raw: logits of the images, `[N, K]`.
        mixed: logits of V mixed copies of each, `[N, V, K]`.
        coefficients: the greatest entry of each copy's mixed label, `[N, V]`, in (0, 1]; no gradient flows into them.

    Returns:
        The loss of each image, float32 `[N]`.

    Raises:
        ValueError: if shapes do not fit.

    Example:

    >>> raw, mixed = keras.ops.array([[99.0, 0.0]]), keras.ops.log(keras.ops.array([[[0.3, 0.7], [0.8, 0.2]]]))
    >>> round(abs(float(mixup_ndcg_loss(raw, mixed, keras.ops.array([[0.7, 0.8]]))[0])), 4)
    0.0

    Reference:
        Noh et al., "RankMixup: Ranking-Based Mixup Training for Network Calibration", ICCV 2023.
    """
    ops = keras.ops
    raw, mixed, coefficients = _inputs(raw, mixed, coefficients)
    coefficients = ops.stop_gradient(coefficients)
    own = ops.max(ops.softmax(raw, axis=-1), axis=-1, keepdims=True)
    confidences = ops.max(ops.softmax(mixed, axis=-1), axis=-1)
    order = ops.argsort(-coefficients, axis=1)
    discounts = [math.log2(place + 2.0) for place in range(mixed.shape[1] + 1)]

    def gain(first: Tensor, others: Tensor) -> Tensor:
        values = ops.concatenate([first, ops.take_along_axis(others, order, axis=1)], axis=1)
        return ops.sum(values / ops.convert_to_tensor(discounts, values.dtype), axis=1)

    found, ideal = gain(own, confidences), gain(ops.ones_like(own), coefficients)
    return 1.0 - ops.where(ideal > found, found / ideal, ideal / found)
