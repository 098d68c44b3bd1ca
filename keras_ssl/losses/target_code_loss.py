"""The loss of finding the codes of one or two images in a mixture of both."""

import keras

from keras_ssl.losses.numeric import as_float, same_shape
from keras_ssl.typing import Tensor

__all__ = ["target_code_loss"]


def target_code_loss(
    logits: Tensor, targets: Tensor, partner: Tensor | None = None, share: Tensor | None = None
) -> Tensor:
    """`-log` of the probability of target codes, `P(code | input) = softmax(logits)`, weighed by shares in the input.

    `sum_i (a_i L(i, t_i) + (1 - a_i) L(i, t_p(i))) / sum of the same weights`, with `L(i, t) = -log softmax(s_i)_t`. A
    target of -1 is none, and has no weight; without any target the loss is 0. Without a partner this is the
    cross-entropy; where codes are the other views of the batch, their products with the inputs' codes over a
    temperature are the logits, and the targets 0, 1 ..., it is InfoNCE.

    Args:
        logits: s, of each input for each code, `[N, M]`.
        targets: t, the number of the code of each input, integers `[N]`; -1 for none.
        partner: p, the number of the input that is mixed in, integers `[N]`; None (default) for none.
        share: a, the share of the input itself, `[N]`, in [0, 1]; needed with a partner. No gradient flows through it.

    Returns:
        A scalar.

    Raises:
        ValueError: if the shapes do not fit, or one of `partner` and `share` is given without the other.

    Example:

    >>> round(float(target_code_loss(np.zeros((2, 4), "float32"), np.array([3, -1]))), 4)  # log 4
    1.3863

    Reference: Su et al., "Towards All-in-one Pre-training via Maximizing Multi-modal Mutual Information", CVPR 2023.
    """
    if len(logits.shape) != 2 or not same_shape(targets.shape, logits.shape[:1]):
        raise ValueError(
            "`logits` and `targets` must have the shapes [N, M] and [N]. "
            f"Received: logits.shape={tuple(logits.shape)}, targets.shape={tuple(targets.shape)}"
        )
    if (partner is None) != (share is None):
        raise ValueError(
            f"`partner` and `share` must be given together. Received: {'partner' if share is None else 'share'} alone"
        )
    ops = keras.ops
    log_probabilities = ops.log_softmax(as_float(logits), axis=1)
    targets = ops.cast(targets, "int32")
    own, known = _losses(log_probabilities, targets)
    if partner is None:
        return ops.sum(known * own) / ops.maximum(ops.sum(known), 1e-12)
    a = ops.stop_gradient(as_float(share, logits))
    other, known_other = _losses(log_probabilities, ops.take(targets, ops.cast(partner, "int32"), axis=0))
    weights = ops.concatenate([a * known, (1.0 - a) * known_other], axis=0)
    return ops.sum(weights * ops.concatenate([own, other], axis=0)) / ops.maximum(ops.sum(weights), 1e-12)


def _losses(log_probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """`-log P` of each input's target, and 1 where there is one, else 0."""
    ops = keras.ops
    chosen = ops.take_along_axis(log_probabilities, ops.maximum(targets, 0)[:, None], axis=1)[:, 0]
    return -chosen, ops.cast(targets >= 0, log_probabilities.dtype)
