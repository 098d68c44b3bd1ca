"""Batch Styles Standardization: all images of a batch in the style of one of them."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.low_frequencies import replace_low_frequencies
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class BatchStylesStandardization(View):
    """Gives all images of the batch the low-frequency Fourier amplitudes of one of them, drawn at random.

    Images keep their phases, and with them what they show; their style (colors, contrast, lighting) becomes one, so
    that an objective cannot tell images apart by the domain they come from. Placed in a pipeline, it draws an image
    for each view. The result is clipped to [0, 1].

    It is the one view for which an image's result depends on the other images of the batch. So it needs to see the
    global batch, and is refused under a `tf.distribute` strategy of several replicas, which hold parts of it.

    Args:
        ratio: area of the centered window of frequencies that are replaced, as a fraction of all, in [0, 1]; or a range
            `(low, high)` from which it is drawn for every batch. Defaults to `(0.02, 1.0)`.

    Raises:
        ValueError: if the ratio does not lie in [0, 1].

    Example:

    >>> import numpy as np
    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import BatchStylesStandardization
    >>> view = BatchStylesStandardization(0.1)
    >>> tuple(view(np.zeros((4, 8, 8, 3), "uint8"), Stream(0, 0, np.arange(4))).shape)
    (4, 8, 8, 3)

    Reference: [Towards domain-invariant Self-Supervised Learning with Batch Styles Standardization](
    https://arxiv.org/abs/2303.06088).
    """

    whole_batch = True
    supports_jit = False  # XLA takes minutes to compile the transforms of a real batch for a CPU

    def __init__(self, ratio: float | Sequence[float] = (0.02, 1.0)) -> None:
        low, high = ratio if isinstance(ratio, Sequence) else (ratio, ratio)
        if not 0.0 <= low <= high <= 1.0:
            raise ValueError(f"Argument `ratio` must lie in [0, 1], the low end first. Received: ratio={ratio!r}")
        self.ratio = (float(low), float(high))

    @property
    def is_random(self) -> bool:
        return self.ratio[1] > 0.0

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        # The image with the smallest number is chosen: the same one in whatever order the batch stands.
        chosen = ops.expand_dims(ops.argmin(stream.uniform()), 0)
        ratio = ops.take(stream.uniform(*self.ratio), chosen)
        reference = ops.take(images, chosen, axis=0)
        return ops.clip(replace_low_frequencies(images, reference, ratio[0]), 0.0, 1.0)
