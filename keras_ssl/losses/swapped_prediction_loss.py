"""The cross-entropy between views that SwAV and DINO share."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_pair
from keras_ssl.typing import Tensor


def swapped_prediction_loss(logits: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    r"""Predict, from each view, the target distributions of the other views.

    The mean over all pairs of a target t and a view v of another number, and over samples, of
    `-sum_k targets[t][k] * log softmax(logits[v])[k]`. Views without a target (local crops) only predict. A view
    never predicts its own target. Chance value (equal logits): `log K`.

    Args:
        logits: each view's logits over temperature, `[N, K]`.
        targets: the distributions of the first views, in the same order, `[N, K]`; they get no gradient.

    Returns:
        A scalar.

    Raises:
        ValueError: if there are fewer than two views, no targets, or more targets than views.

    Reference:
        Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", NeurIPS 2020.
    """
    if len(logits) < 2 or not 1 <= len(targets) <= len(logits):
        raise ValueError(
            "There must be at least two views, and at least one target but no more than views. "
            f"Received: {len(logits)} views, {len(targets)} targets"
        )
    ops = keras.ops
    logs = [ops.log_softmax(as_float(view, logits[0]), axis=1) for view in logits]
    total, pairs = 0.0, 0
    for number, target in enumerate(targets):
        target = ops.stop_gradient(as_float(target, logits[0]))
        for other, log in enumerate(logs):
            check_pair(target, log)
            if other != number:
                total = total - ops.mean(ops.sum(target * log, axis=1))
                pairs += 1
    return total / pairs
