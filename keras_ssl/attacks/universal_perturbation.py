"""One change for all images."""

from dataclasses import dataclass

import numpy as np

from keras_ssl.attacks.interval_bounds import check_epsilon, check_range_of_values
from keras_ssl.typing import Tensor

__all__ = ["UniversalPerturbation"]


@dataclass(frozen=True)
class UniversalPerturbation:
    """A perturbation that is added to every image, `clip(image + delta)`.

    Args:
        delta: `[H, W, C]`, on the scale of the images; no entry is larger than `epsilon`.
        epsilon: the largest size of an entry, not negative.
        value_range: `(low, high)` of the images, to which the sum is clipped. Defaults to `(0, 1)`.

    Raises:
        ValueError: if an entry is larger than `epsilon`, or an argument is out of range.

    Example:

    >>> attack = UniversalPerturbation(np.full((1, 1, 1), 0.25), epsilon=0.25)
    >>> attack(np.array([0.5, 0.875]).reshape(2, 1, 1, 1)).ravel().tolist()
    [0.75, 1.0]
    """

    delta: np.ndarray
    epsilon: float
    value_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        delta = np.asarray(self.delta, np.float32)
        check_epsilon(self.epsilon)
        if check_range_of_values(self.value_range) is None:
            raise ValueError("`value_range` must be (low, high). Received: value_range=None")
        largest = np.abs(delta).max() if delta.size else float("nan")
        if delta.ndim != 3 or not largest <= self.epsilon * (1 + 1e-6):
            raise ValueError(
                f"`delta` must be [H, W, C], and no entry larger than `epsilon`, {self.epsilon}. "
                f"Received: delta={largest} at most, of shape {delta.shape}"
            )
        object.__setattr__(self, "delta", delta)

    def __call__(self, images: Tensor) -> np.ndarray:
        """The attacked images, float32.

        Args:
            images: `[N, H, W, C]`, floating, in `value_range`.
        """
        array = np.asarray(images)
        if array.ndim != 4 or array.shape[1:] != self.delta.shape or array.dtype.kind != "f":
            raise ValueError(
                f"`images` must be floats [N, {', '.join(map(str, self.delta.shape))}]. "
                f"Received: images of type {array.dtype} and shape {array.shape}"
            )
        return np.clip(array.astype(np.float32) + self.delta, *self.value_range).astype(np.float32)
