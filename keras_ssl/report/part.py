"""A part of a data set as a report shows it: features, and what they are features of."""

from dataclasses import dataclass

import numpy as np

from keras_ssl.evaluation.validation import as_features, as_labels, is_labeled
from keras_ssl.typing import Tensor


@dataclass(frozen=True)
class Part:
    """Features with their images and labels.

    Args:
        features: `[N, D]`, any floating type.
        images: what the encoder was given, `[N, ...]`. Shown where it is pixels: `[N, H, W, C]` with 1, 3 or 4
            channels, of any number type. Defaults to `None`.
        labels: integers or strings `[N]`, -1 for a sample without a label: it is shown, and takes no part in votes and
            scores. Defaults to `None`: unlabeled.

    Raises:
        ValueError: if the lengths differ, or a feature is NaN or infinite (its row is named).

    Example:

    >>> len(Part([[0.0, 1.0], [1.0, 0.0]], labels=["a", "b"]))
    2
    """

    features: Tensor
    images: Tensor | None = None
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", as_features("features", self.features))
        if self.labels is not None:
            labels = as_labels("labels", self.labels, len(self))
            object.__setattr__(self, "labels", labels if is_labeled(labels).any() else None)
        if self.images is not None:
            object.__setattr__(self, "images", np.asanyarray(self.images))
            if self.images.ndim == 0 or len(self.images) != len(self):
                raise ValueError(
                    f"Argument `images` must hold one image for each of the {len(self)} rows of features. "
                    f"Received: images.shape={self.images.shape}"
                )

    def __len__(self) -> int:
        return len(self.features)
