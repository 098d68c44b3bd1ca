"""One number per sample, in the shape that multiplies a batch of images."""

from keras import ops

from keras_ssl.typing import Tensor


def per_sample(values: Tensor, rank: int = 4, dtype: str | None = "float32") -> Tensor:
    """Reshapes `[N]` to `[N, 1, ..., 1]`, and casts it unless `dtype` is None.

    Args:
        values: tensor `[N]`, or a scalar, which then serves every sample.
        rank: the rank of what it will be combined with.
        dtype: the dtype of the result; None keeps the dtype it has.

    Returns:
        Tensor of rank `rank`, its leading size N (or 1).
    """
    values = ops.convert_to_tensor(values)
    if dtype is not None:
        values = ops.cast(values, dtype)
    return ops.reshape(values, (-1, *[1] * (rank - 1)))
