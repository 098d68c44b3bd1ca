"""The loss of masks whose order does not matter."""

from itertools import permutations

import keras
import numpy as np

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["matched_mask_loss"]

MOST_SLOTS = 7
"""All orders are tried: of seven slots 5,040."""


def matched_mask_loss(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    r"""The cross-entropy of the pixels under the best assignment of slots to objects.

    .. math:: \min_\pi \frac{1}{|L|} \sum_{p \in L} -\log \mathrm{softmax}_k(\text{logits}_{kp})_{\pi(y_p)}

    over the labeled pixels L and all one-to-one maps of objects to slots: the order of the slots makes no difference,
    and none that of the objects. Slots that no object takes must keep clear of labeled pixels. Even masks have the loss
    `log K`. The best assignment is exact, and no gradient flows through its choice.

    Args:
        logits: of the slots at each pixel, `[N, K, P]`, K at most 7.
        masks: numbers of objects from 0 to K - 1 (the background is one of them), integers `[N, P]`; other numbers are
            not labeled.

    Returns:
        The loss, float32 `[N]`, 0 where no pixel is labeled; and whether a pixel is, float32 `[N]`.

    Raises:
        ValueError: if shapes do not fit, or there are more than 7 slots.

    Example:

    >>> logits = keras.ops.array([[[9.0, 9.0, -9.0], [-9.0, -9.0, 9.0]]])
    >>> loss, labeled = matched_mask_loss(logits, keras.ops.array([[1, 1, 0]]))
    >>> float(loss[0]) < 1e-6, float(labeled[0])
    (True, 1.0)
    """
    ops, logits = keras.ops, as_float(logits)
    fits = len(logits.shape) == 3 and len(masks.shape) == 2
    if not fits or None not in (logits.shape[2], masks.shape[1]) and logits.shape[2] != masks.shape[1]:
        raise ValueError(
            "`logits` and `masks` must be [N, K, P] and [N, P]. Received: "
            f"logits.shape={tuple(logits.shape)}, masks.shape={tuple(masks.shape)}"
        )
    slots = logits.shape[1]
    if slots > MOST_SLOTS:
        raise ValueError(f"`logits` must be of at most {MOST_SLOTS} slots. Received: logits.shape={logits.shape}")
    numbers = ops.arange(slots, dtype="int32")
    shown = ops.cast(ops.equal(ops.cast(masks, "int32")[:, :, None], numbers), logits.dtype)  # [N, P, objects]
    count = ops.sum(shown, axis=(1, 2))
    log_masks = ops.log_softmax(logits, axis=1)
    cost = -ops.einsum("nkp,npo->nko", log_masks, shown) / ops.maximum(count, 1.0)[:, None, None]
    orders = np.eye(slots, dtype=np.float32)[list(permutations(range(slots)))]  # [orders, objects, slots]
    orders = ops.cast(ops.convert_to_tensor(orders), cost.dtype)
    totals = ops.einsum("nko,rok->nr", ops.stop_gradient(cost), orders)
    best = ops.one_hot(ops.argmin(totals, axis=1), orders.shape[0], dtype=cost.dtype)
    chosen = ops.einsum("nr,rok->nko", best, orders)
    return ops.sum(chosen * cost, axis=(1, 2)), ops.cast(count > 0, logits.dtype)
