"""The scores of propagated labels: regions and contours of each object, averaged as DAVIS does."""

import numpy as np

from keras_ssl.evaluation.contour_accuracy import contour_accuracy
from keras_ssl.evaluation.region_similarity import region_similarity
from keras_ssl.evaluation.validation import is_labeled
from keras_ssl.typing import Tensor


def video_segmentation(labels: Tensor, true_labels: Tensor, background: int = 0) -> dict[str, float]:
    """Region similarity J, contour accuracy F and their mean, over the objects of a video.

    Each label of the first true frame, but for the background, is an object. Both measures are averaged over the
    frames after the first, which was given, up to the last but one if there are more than two, as in the DAVIS
    challenge, and then over objects.

    Args:
        labels: integers `[T, H, W]`, for instance those of `label_propagation`, at the resolution of the true ones.
        true_labels: of the same shape. Places of -1 (unlabeled) are left out of both.
        background: the label that is no object. Defaults to 0.

    Returns:
        `{"J": ..., "F": ..., "J&F": ...}`, each 0 to 1.

    Raises:
        ValueError: if the two are not integers `[T, H, W]` of one shape with two frames at least, or the first true
            frame shows no object.

    Example:

    >>> true = np.zeros((3, 8, 8), int); true[:, 2:5, 2:5] = 1
    >>> video_segmentation(true, true)
    {'J': 1.0, 'F': 1.0, 'J&F': 1.0}

    Reference:
        Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", 2017.
    """
    found, true = np.asarray(labels), np.asarray(true_labels)
    if found.shape != true.shape or true.ndim != 3 or true.size == 0 or len(true) < 2:
        raise ValueError(
            "Arguments `labels` and `true_labels` must be [T, H, W] of one shape with two frames at least. Received: "
            f"labels.shape={found.shape}, true_labels.shape={true.shape}"
        )
    for name, array in (("labels", found), ("true_labels", true)):
        if array.dtype.kind not in "biu":
            raise ValueError(f"Argument `{name}` must hold integers. Received: {name}.dtype={array.dtype}")
    known = is_labeled(true)
    if not isinstance(background, int | np.integer) or isinstance(background, bool):
        raise ValueError(f"Argument `background` must be an integer. Received: background={background!r}")
    objects = [label for label in np.unique(true[0][known[0]]) if label != background]
    if not objects:
        raise ValueError(
            f"Argument `true_labels` shows no object in its first frame. Received: background={background}"
        )
    frames = slice(1, max(2, len(true) - 1))
    pairs = [((found[frames] == label) & known[frames], true[frames] == label) for label in objects]
    region = float(np.mean([region_similarity(*pair) for pair in pairs]))
    outline = float(np.mean([contour_accuracy(*pair) for pair in pairs]))
    return {"J": region, "F": outline, "J&F": (region + outline) / 2}
