"""Mixing of two views of one image."""

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor


def draw_boxes(stream: Stream, height: int, width: int, probability: float) -> Tensor:
    """A box for each sample, of uniformly drawn area and place, or with `1 - probability` an empty one.

    Args:
        stream: of the draws.
        height, width: of the images, in pixels.
        probability: in [0, 1].

    Returns:
        int32 `[n, 4]`: top, left, height and width, within the image.
    """
    ops = keras.ops
    drawn = stream.uniform(shape=(4,))
    side = ops.where(drawn[:, 0] < probability, ops.sqrt(drawn[:, 1]), ops.zeros_like(drawn[:, 1]))
    tall = ops.cast(ops.round(side * height), "int32")
    wide = ops.cast(ops.round(side * width), "int32")
    top = ops.cast(ops.floor(drawn[:, 2] * ops.cast(height - tall + 1, "float32")), "int32")
    left = ops.cast(ops.floor(drawn[:, 3] * ops.cast(width - wide + 1, "float32")), "int32")
    return ops.stack([ops.minimum(top, height - tall), ops.minimum(left, width - wide), tall, wide], axis=1)


def self_mix(first: Tensor, second: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """SelfMix: the first view of each image with a box of the second, and the box's share of the area.

    An empty box leaves the first view, one of the whole image gives the second.

    Args:
        first, second: views `[n, H, W, C]`.
        boxes: int32 `[n, 4]`: top, left, height and width.

    Returns:
        The mixed views, and float32 `[n]`: what share of the targets is the second view's.

    Example:

    >>> a, b = keras.ops.zeros((1, 4, 4, 1)), keras.ops.ones((1, 4, 4, 1))
    >>> mixed, share = self_mix(a, b, keras.ops.array([[0, 1, 2, 2]]))
    >>> float(keras.ops.sum(mixed)), float(share[0])
    (4.0, 0.25)

    Reference: Shen, "FerKD: Surgical Label Adaptation for Efficient Distillation", ICCV 2023. How boxes are drawn there
    is not in its code.
    """
    ops = keras.ops
    height, width = first.shape[1], first.shape[2]
    top, left, tall, wide = (ops.cast(boxes, "int32")[:, k, None] for k in range(4))
    rows, columns = ops.arange(height, dtype="int32")[None], ops.arange(width, dtype="int32")[None]
    in_rows = ops.logical_and(rows >= top, rows < top + tall)
    in_columns = ops.logical_and(columns >= left, columns < left + wide)
    inside = ops.logical_and(in_rows[:, :, None], in_columns[:, None, :])[..., None]
    share = ops.cast(tall * wide, "float32")[:, 0] / float(height * width)
    return ops.where(inside, second, first), share
