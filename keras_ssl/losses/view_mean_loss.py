"""The distance of views from their mean."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_integer, check_pair
from keras_ssl.typing import Tensor

__all__ = ["view_mean_loss"]


def view_mean_loss(views: Sequence[Tensor], global_views: int | None = None) -> Tensor:
    """Views of an image agree with the mean of its global views.

    `mean over views v, samples and dimensions of (z_v - c)^2`, where `c` is the mean of the first `global_views` views
    of the sample. The gradient flows through `c` too.

    Args:
        views: embeddings of each view, `[N, D]`, global views first.
        global_views: number of views that make the mean. Defaults to None: all.

    Returns:
        A scalar.

    Raises:
        ValueError: if there is no view, shapes differ, or `global_views` is not from 1 to the number of views.

    Example:

    >>> float(view_mean_loss([np.array([[1.0]]), np.array([[3.0]])]))
    1.0

    Reference: Balestriero and LeCun, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics",
    2025.
    """
    if not len(views):
        raise ValueError("`views` must hold at least one view. Received: views=[]")
    ops, views = keras.ops, [as_float(view, views[0]) for view in views]
    for view in views:
        check_pair(views[0], view)
    count = len(views) if global_views is None else check_integer("global_views", global_views, 1, len(views))
    center = sum(views[1:count], views[0]) / count
    return sum(ops.mean(ops.square(view - center)) for view in views) / len(views)
