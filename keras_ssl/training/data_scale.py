"""How large a training is, and the sizes of heads, queues and teachers that follow from that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SMALL = 100_000
"""Below so many images the values of papers, most of which train on a million, give way to those of `DataScale`."""
_UPDATES_IN_TEACHER = 30  # a teacher is the mean of its student over at most one in so many updates
_LEAST_MOMENTUM = 0.9


@dataclass(frozen=True)
class DataScale:
    """Images, encoder and length of a training, and what suits a training of this size.

    `SSLModel.for_data` and `keras_ssl.pretrain` set arguments of methods by it. A method that needs other values at
    small size says so in its `small_settings`.

    Args:
        images: number of training images; None where that is unknown, which counts as many.
        image_size: side of the views in pixels.
        channels: of the images.
        feature_dim: width of the encoder's features.
        batch_size: images in a batch.
        updates: of the optimizer, in all; None where that is unknown.

    Example:

    >>> scale = DataScale(images=3000, image_size=32, channels=3, feature_dim=128, batch_size=128, updates=3000)
    >>> scale.widths((8192, 8192, 8192)), scale.queue(65536), scale.momentum(0.996), scale.groups(3000)
    ((256, 256, 256), 896, 0.99, 256)
    """

    images: int | None
    image_size: int
    channels: int
    feature_dim: int
    batch_size: int
    updates: int | None

    @property
    def small(self) -> bool:
        """Whether there are fewer than 100,000 images."""
        return self.images is not None and self.images < SMALL

    def width(self, most: int) -> int:
        """The width of a layer of a head: `most`, or twice the encoder's (of 100,000 images or more, four times)."""
        return min(most, (2 if self.small else 4) * self.feature_dim)

    def widths(self, most: Sequence[int]) -> tuple[int, ...]:
        """The widths of a head."""
        return tuple(self.width(value) for value in most)

    def queue(self, most: int) -> int:
        """Rows of a queue: `most`, or about a third of the images, in whole batches and at least two of them.

        A queue as long as the data holds, of every sample, itself among the negatives.
        """
        if self.images is None or not most:
            return most
        batches = max(self.images // (3 * self.batch_size), 2)
        return max(min(most, batches * self.batch_size), self.batch_size)

    def momentum(self, most: float) -> float:
        """Momentum of a teacher: `most`, or so much that it is the mean of its student over a 30th of the training."""
        if self.updates is None:
            return most
        return min(most, max(round(1.0 - _UPDATES_IN_TEACHER / self.updates, 4), _LEAST_MOMENTUM))

    def groups(self, most: int) -> int:
        """Number of clusters or prototypes: `most`, or a power of two so that each has about eight images or more."""
        if self.images is None:
            return most
        return min(most, max(2 ** int(math.log2(max(self.images / 8, 1.0))), 16))

    def heads(self, width: int, most: int) -> int:
        """Heads of attention over `width` numbers: at most `most`, with 16 or more for each, and a divisor."""
        return next(count for count in range(min(most, max(width // 16, 1)), 0, -1) if width % count == 0)
