"""How the weights of another project become those of an encoder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

# PyTorch's names of the variables of dense layers, convolutions and batch norms.
VARIABLES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def unchanged(array: np.ndarray) -> np.ndarray:
    """The array itself."""
    return array


def conv_kernel(array: np.ndarray) -> np.ndarray:
    """A 2D convolution's kernel `[out, in, height, width]` of PyTorch as `[height, width, in, out]`."""
    return array.transpose(2, 3, 1, 0)


def dense_kernel(array: np.ndarray) -> np.ndarray:
    """A linear layer's weight `[out, in]` of PyTorch as `[in, out]`."""
    return array.transpose(1, 0)


def without_batch(array: np.ndarray) -> np.ndarray:
    """The array without its first axis, which must be of length 1: that of a batch of one, as tokens are kept."""
    return array.squeeze(0)


@dataclass(frozen=True)
class MappedWeight:
    """Where a published weight goes.

    Args:
        name: of the model's weight, as `keras_ssl.hub.named_weights` has it.
        transform: makes the model's array of the published one. Defaults to `unchanged`.
    """

    name: str
    transform: Callable[[np.ndarray], np.ndarray] = unchanged


@dataclass(frozen=True)
class WeightTable:
    """The published keys of a family of encoders.

    Args:
        weights: where each goes, by key.
        ignored: patterns (regular expressions that match whole keys) of what a file may hold besides, and what
            the encoder has no place for.
        renames: other names that the same weights go by, as pairs of a pattern that matches whole keys and what takes
            their place (`re.Match.expand`), applied one after another.
    """

    weights: Mapping[str, MappedWeight]
    ignored: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
