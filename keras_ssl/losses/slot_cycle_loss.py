"""Cycle consistency of slots and features."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["feature_cycle_loss", "slot_cycle_loss"]

_TINY = 1e-20


def slot_cycle_loss(slots: Tensor, features: Tensor, temperature: float = 0.1) -> Tensor:
    r"""How far a walk from each slot to the features and back misses the slot.

    With cosines `c_kt` of slots and features, `A = softmax_t(c / T)` leads from slots to features, and
    `B = softmax_k(c / T)` back:

    .. math:: -\frac{1}{K} \sum_k \log (A B)_{kk}

    0 where each slot has features of its own. Two slots that are the same share their way back: `log 2` for each of
    them. The order of slots, and that of features, makes no difference.

    Args:
        slots: `[N, K, D]`.
        features: `[N, T, D]`.
        temperature: T > 0. Defaults to 0.1.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if shapes do not fit, or the temperature is not positive.

    Example:

    >>> features = keras.ops.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> float(slot_cycle_loss(features, features, temperature=0.05)[0]) < 1e-6
    True
    >>> twins = keras.ops.take(features, [0, 0], axis=1)
    >>> round(float(slot_cycle_loss(twins, features, temperature=0.05)[0]), 4)  # log 2
    0.6931

    Reference:
        Didolkar et al., "Cycle Consistency Driven Object Discovery", ICLR 2024, https://arxiv.org/abs/2306.02204.
    """
    there, back = walks(slots, features, temperature)
    ops = keras.ops
    returned = ops.sum(there * ops.transpose(back, (0, 2, 1)), axis=2)  # the diagonal of there @ back
    return -ops.mean(ops.log(ops.maximum(returned, _TINY)), axis=1)


def feature_cycle_loss(slots: Tensor, features: Tensor, temperature: float = 0.1, threshold: float = 0.5) -> Tensor:
    r"""How far a walk from each feature to the slots and back misses the features that are like it.

    With A and B as in `slot_cycle_loss`, and targets F, the softmax of the features' cosines over T, restricted to
    cosines of at least `threshold` (a feature's own is 1),

    .. math:: -\frac{1}{T} \sum_t \sum_u F_{tu} \log (B A)_{tu}

    The identity would ask for a slot per feature; the targets ask for a slot per kind of feature. No gradient flows
    through F.

    Args:
        slots: `[N, K, D]`.
        features: `[N, T, D]`.
        temperature: T > 0, of walks and targets. Defaults to 0.1.
        threshold: -1 to 1. Defaults to 0.5.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if shapes do not fit, or an argument is out of range.

    Example:

    >>> features = keras.ops.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> float(feature_cycle_loss(features, features, temperature=0.05)[0]) < 1e-6
    True

    Reference:
        Didolkar et al., "Cycle Consistency Driven Object Discovery", ICLR 2024, https://arxiv.org/abs/2306.02204.
    """
    ops = keras.ops
    threshold = check_number("threshold", threshold, -1.0, 1.0)
    there, back = walks(slots, features, temperature)
    unit = ops.stop_gradient(l2_normalize(features, slots))
    cosines = ops.matmul(unit, ops.transpose(unit, (0, 2, 1)))
    own = ops.eye(unit.shape[1], dtype=unit.dtype)
    near = ops.logical_or(cosines >= threshold, own > 0)
    target = ops.softmax(ops.where(near, cosines / temperature, -1e9), axis=2)
    returned = ops.matmul(back, there)
    return -ops.mean(ops.sum(target * ops.log(ops.maximum(returned, _TINY)), axis=2), axis=1)


def walks(slots: Tensor, features: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Where a step from slots to features leads, `[N, K, T]`, and one from features to slots, `[N, T, K]`.

    Raises:
        ValueError: if shapes do not fit, or the temperature is not positive.
    """
    ops = keras.ops
    temperature = check_number("temperature", temperature, 0.0, above=True)
    slots, features = as_float(slots), as_float(features, slots)
    if len(slots.shape) != 3 or len(features.shape) != 3 or slots.shape[2] != features.shape[2]:
        raise ValueError(
            "`slots` and `features` must be [N, K, D] and [N, T, D]. Received: "
            f"slots.shape={tuple(slots.shape)}, features.shape={tuple(features.shape)}"
        )
    logits = ops.matmul(l2_normalize(slots), ops.transpose(l2_normalize(features), (0, 2, 1))) / temperature
    return ops.softmax(logits, axis=2), ops.transpose(ops.softmax(logits, axis=1), (0, 2, 1))
