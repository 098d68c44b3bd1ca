"""Batch normalization with the statistics of small parts of a large batch."""

from typing import Any

import keras

from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["GhostBatchNormalization"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class GhostBatchNormalization(BatchNormalization):
    """Batch normalization of each slice of a batch by its own statistics: a large batch keeps a small one's noise.

    In training the batch is cut into slices ("ghost batches") of `ghost_size` samples in a row; the last may be
    shorter. Each is normalized by its own mean and biased variance, as `BatchNormalization` does with the whole batch.
    The moving statistics take the slices one after another, `moving = momentum * moving + (1 - momentum) * slice`,
    which for K slices is

        moving = momentum^K * moving + (1 - momentum) * sum_k momentum^(K - 1 - k) * slice_k

    In inference it is `BatchNormalization`. A batch of at most `ghost_size` samples is one slice. Under several
    replicas each cuts the part of the batch that it holds, and the moving statistics are the replicas' mean.

    Masks are not supported in training.

    Args:
        ghost_size: samples in a slice, a positive integer. Defaults to 128, the paper's.
        axis: the axis that holds the channels, not the first. Defaults to -1.
        momentum: weight of the past in the moving statistics, for each slice, in [0, 1]. Defaults to 0.9.
        epsilon: added to the variance before the square root, positive. Defaults to 1e-5.
        **kwargs: as for `BatchNormalization`.

    Raises:
        ValueError: if an argument is out of range, or a mask is given in training.

    Example:

    >>> layer = GhostBatchNormalization(ghost_size=2)
    >>> y = layer(np.array([[1.0], [3.0], [10.0], [30.0]]), training=True)
    >>> keras.ops.convert_to_numpy(y).astype("float64").round(3).ravel().tolist()
    [-1.0, 1.0, -1.0, 1.0]

    Reference: Hoffer, Hubara and Soudry, "Train longer, generalize better: closing the generalization gap in large
    batch training of neural networks", NeurIPS 2017.
    """

    def __init__(
        self, ghost_size: int = 128, axis: int = -1, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any
    ) -> None:
        ghost_size = check_integer("ghost_size", ghost_size, 1)
        if not epsilon < float("inf"):
            raise ValueError(f"`epsilon` must be finite. Received: epsilon={epsilon}")
        if kwargs.get("renorm"):
            raise ValueError("Slices are not renormalized. Received: renorm=True")
        super().__init__(axis=axis, momentum=momentum, epsilon=epsilon, **kwargs)
        self.ghost_size = ghost_size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.axis in (0, -len(input_shape)):
            raise ValueError(f"`axis` must not be that of the samples. Received: axis={self.axis}")
        super().build(input_shape)

    def add_weight(self, *args: Any, trainable: bool = True, **kwargs: Any) -> Any:
        if not trainable:
            kwargs["aggregation"] = "mean"  # each replica has slices of its own
        return super().add_weight(*args, trainable=trainable, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        if mask is not None:
            raise ValueError("Slices of a batch cannot be masked. Received: a mask in training")
        ops = keras.ops
        shape, axis = inputs.shape, self.axis % len(inputs.shape)
        wide = keras.backend.standardize_dtype(inputs.dtype) == "float64"
        x = ops.cast(inputs, "float64" if wide else "float32")
        count = shape[0] if shape[0] is not None else ops.shape(inputs)[0]
        slices = (count + self.ghost_size - 1) // self.ghost_size
        # The batch is filled up, and what fills it counts nowhere.
        filled = ops.pad(x, [[0, slices * self.ghost_size - count]] + [[0, 0]] * (len(shape) - 1))
        sizes = [ops.shape(x)[k] if shape[k] is None else shape[k] for k in range(1, len(shape))]
        cut = ops.reshape(filled, (slices, self.ghost_size, *sizes))
        real = ops.cast(ops.arange(slices * self.ghost_size) < count, x.dtype)
        real = ops.reshape(real, (slices, self.ghost_size, *[1] * (len(shape) - 1)))

        axes = tuple(k for k in range(1, len(shape) + 1) if k != axis + 1)
        inner = 1
        for k in range(1, len(shape)):
            inner = inner if k == axis else inner * sizes[k - 1]
        entries = ops.sum(real, axis=tuple(range(1, len(shape) + 1)), keepdims=True) * ops.cast(inner, x.dtype)
        mean = ops.sum(cut * real, axis=axes, keepdims=True) / entries
        variance = ops.sum(ops.square(cut - mean) * real, axis=axes, keepdims=True) / entries
        normal = (cut - mean) * ops.rsqrt(variance + self.epsilon)
        normal = ops.reshape(normal, (slices * self.ghost_size, *sizes))[:count]

        channels = [1] * len(shape)
        channels[axis] = -1
        if self.scale:
            normal = normal * ops.reshape(ops.cast(self.gamma, x.dtype), channels)
        if self.center:
            normal = normal + ops.reshape(ops.cast(self.beta, x.dtype), channels)
        self._follow(ops.reshape(mean, (slices, -1)), ops.reshape(variance, (slices, -1)), slices)
        return ops.cast(ops.reshape(normal, (-1, *sizes)), self.compute_dtype)

    def _follow(self, means: Tensor, variances: Tensor, slices: Any) -> None:
        """Moves the moving statistics by `[K, C]` of the slices, as if one after another."""
        ops, momentum = keras.ops, self.momentum
        later = ops.cast(slices - 1 - ops.arange(slices), "float32")
        # Not by `power`, whose derivative at momentum 0 is not finite; nothing is derived here, but 0^0 must be 1.
        powers = ops.where(later > 0, ops.power(ops.cast(momentum, "float32"), later), ops.ones_like(later))
        past = ops.power(ops.cast(momentum, "float32"), ops.cast(slices, "float32"))
        for moving, batch in ((self.moving_mean, means), (self.moving_variance, variances)):
            taken = ops.sum(powers[:, None] * ops.stop_gradient(ops.cast(batch, "float32")), axis=0)
            value = past * ops.cast(moving, "float32") + (1.0 - momentum) * taken
            moving.assign(ops.cast(value, moving.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ghost_size": self.ghost_size}
