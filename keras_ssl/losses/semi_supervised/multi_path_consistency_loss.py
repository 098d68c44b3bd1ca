"""Agreement of the maps of hard views with the map of an easy one."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["multi_path_consistency_loss"]


def multi_path_consistency_loss(
    hard: Sequence[Tensor], targets: Sequence[Tensor], weights: Sequence[Tensor] | None = None
) -> Tensor:
    """`sum_k mean(weight_k * (hard_k - target_k)^2)`: the predictions for K hard views of a sample follow one target.

    The target of a path is the map of the easy view, moved as the hard view was moved
    (`keras_ssl.views.functional.affine_warp`). With one path this is the usual easy-hard consistency.

    Args:
        hard: maps of the K hard views, `[N, H, W, P]` each.
        targets: of the same shapes; no gradient flows into them.
        weights: what each place counts, `[N, H, W, 1]` each, such as 0 where the easy view did not see it; a place of
            weight 0 still counts in the mean. Defaults to None: 1.

    Returns:
        float32 `[N]`: a mean over places and channels, a sum over paths.

    Raises:
        ValueError: if there is no path, or the numbers of maps or their shapes differ.

    Example:

    >>> ones, zeros = keras.ops.ones((1, 4, 4, 2)), keras.ops.zeros((1, 4, 4, 2))
    >>> float(multi_path_consistency_loss([ones, ones], [zeros, ones])[0])
    1.0

    Reference: Zhou et al., "Boosting Semi-Supervised 2D Human Pose Estimation by Revisiting Data Augmentation and
    Consistency Training", 2024, https://arxiv.org/abs/2402.11566.
    """
    counts = [len(hard), len(targets), *([] if weights is None else [len(weights)])]
    if not hard or len(set(counts)) > 1:
        raise ValueError(
            f"`hard`, `targets` and `weights` must hold as many maps, at least one. Received: numbers of maps={counts}"
        )
    ops = keras.ops
    total = 0.0
    for place, (prediction, target) in enumerate(zip(hard, targets, strict=True)):
        check_shape("targets", target, prediction.shape)
        error = ops.square(as_float(prediction) - ops.stop_gradient(as_float(target, prediction)))
        if weights is not None:
            error = error * ops.stop_gradient(ops.cast(weights[place], error.dtype))
        total = total + ops.mean(error, axis=(1, 2, 3))
    return total
