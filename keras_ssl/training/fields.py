"""What an objective reads of a batch besides its inputs."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor

_ROUNDING = 1e-3  # of sums of soft labels, which may be half precision


@dataclass(frozen=True)
class Field:
    """A named part of a batch: one entry per sample.

    Args:
        dtype: what the objective gets; integers are cast to integers, floats to floats. Defaults to "int32".
        shape: of one sample's entry; None stands for any size. Defaults to `()`: a number.
        missing: what stands for an absent field. Defaults to None: nothing does.
        required: whether a batch must hold the field. Defaults to True where nothing stands for it.
        distribution: whether an entry is a distribution, such as a soft label: its numbers, along the last axis, are
            not negative and sum to one. Checked before training. Defaults to False.

    Example:

    >>> Field("int32", missing=-1).missing
    -1
    """

    dtype: str = "int32"
    shape: tuple[int | None, ...] = ()
    missing: float | int | None = None
    required: bool | None = None
    distribution: bool = False

    def __post_init__(self) -> None:
        if self.required is None:
            object.__setattr__(self, "required", self.missing is None)

    def check(self, name: str, value: Any) -> None:
        """Checks rank, shape and kind of a field's values; shapes are known when a step is traced, so it costs nothing.

        Raises:
            ValueError: naming the field and what was found.
        """
        kind = getattr(value.dtype, "name", value.dtype)  # TensorFlow's and NumPy's; Keras' are texts
        if getattr(value.dtype, "kind", None) in ("O", "S", "U") or kind in ("string", "object"):
            raise ValueError(
                f"The field `{name}` must hold numbers: `names, {name} = np.unique(labels, return_inverse=True)` "
                f"numbers labels that are texts, and -1 stands for none. Received: {name}.dtype={kind}"
            )
        shape = tuple(value.shape)
        fits = len(shape) == 1 + len(self.shape) and all(
            want is None or have is None or want == have for want, have in zip(self.shape, shape[1:], strict=True)
        )
        if not fits:
            expected = ", ".join(["N", *("any" if size is None else str(size) for size in self.shape)])
            raise ValueError(f"The field `{name}` must have the shape [{expected}]. Received: {name}.shape={shape}")
        dtype = keras.backend.standardize_dtype(value.dtype)
        if "float" in dtype and "int" in self.dtype:
            raise ValueError(f"The field `{name}` must hold integers. Received: {name}.dtype={dtype}")

    def check_values(self, name: str, values: Any) -> None:
        """Checks the numbers of a field of distributions, an array or tensor `[N, ..., K]`.

        Raises:
            ValueError: naming the field and the first sample that does not fit.
        """
        if not self.distribution:
            return
        array = np.asarray(keras.ops.convert_to_numpy(values)).astype("float64")
        sums = array.sum(axis=-1)
        wrong = (np.abs(sums - 1.0) > _ROUNDING) | (array < 0.0).any(axis=-1) | ~np.isfinite(sums)
        if wrong.any():
            place = np.unravel_index(int(wrong.argmax()), wrong.shape)
            raise ValueError(
                f"Each entry of the field `{name}` must be a distribution: numbers of at least 0 whose sum is 1. "
                f"Received: {name} with the sum {sums[place]:.4g} and the least number {array[place].min():.4g} in "
                f"sample {place[0]}"
            )

    def filled(self, count: Tensor) -> Tensor:
        """The field of `count` samples that lack it."""
        sizes = tuple(1 if size is None else size for size in self.shape)
        return keras.ops.full((count, *sizes), self.missing, dtype=self.dtype)


STANDARD_FIELDS = ("y", "index", "group", "stream", "box")
"""Fields that any batch may hold, read or not: labels (-1 is unlabeled), sample numbers, groups (patient, device), the
number of the stream that a sample comes from, and the boxes of the random crops that `x` holds in place of images."""
