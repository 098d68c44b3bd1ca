"""Mirror some images of a batch."""

from keras import ops

from keras_ssl.typing import Tensor
from keras_ssl.views.functional.per_sample import per_sample

AXES = {"horizontal": 2, "vertical": 1}


def flip(images: Tensor, flags: Tensor, direction: str = "horizontal") -> Tensor:
    """Mirrors the images whose flag is true.

    Args:
        images: tensor `[N, H, W, C]`.
        flags: boolean tensor `[N]`.
        direction: `"horizontal"` swaps left and right, `"vertical"` swaps top and bottom.

    Returns:
        Tensor of the shape of `images`.
    """
    return ops.where(per_sample(flags, dtype="bool"), ops.flip(images, axis=AXES[direction]), images)
