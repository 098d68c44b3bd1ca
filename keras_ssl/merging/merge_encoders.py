"""The mean of two networks whose hidden units were matched."""

from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.merging.weight_matching import Weights, permute_weights, weight_matching
from keras_ssl.weights.assign_weights import assign_weights
from keras_ssl.weights.combine_weights import combine_weights
from keras_ssl.weights.read_weights import read_weights
from keras_ssl.weights.recalibrate_batch_norm import recalibrate_batch_norm

__all__ = ["merge_encoders"]


def merge_encoders(
    model: keras.Model, weights_a: Weights, weights_b: Weights, share: float = 0.5, inputs: Any = None, seed: int = 0
) -> dict[str, np.ndarray]:
    r"""Gives a model the mean of two networks' weights, the hidden units of B in the order of those of A.

    .. math:: W = s A + (1 - s) P B

    with the share :math:`s` and the permutations :math:`P` of `weight_matching`. A mean of weights gives hidden units
    less variance than those of A and B have, so that the mean of batch normalization's statistics does not fit: with
    `inputs` they are measured anew.

    Args:
        model: a built model of the structure of both, as for `weight_matching`; its weights are replaced.
        weights_a: of network A, such as `read_weights` returns.
        weights_b: of network B.
        share: of A, in [0, 1]. Defaults to 0.5.
        inputs: images or other samples for `recalibrate_batch_norm`. Defaults to None: the statistics are means too.
        seed: of `weight_matching`. Defaults to 0.

    Returns:
        The permutations of B's units, by group.

    Raises:
        ValueError: if `share` is out of range; as `weight_matching` and `recalibrate_batch_norm`. The model is then as
            it was.

    Example:

    >>> model = keras_ssl.encoders.ConvNet((4, 8))
    >>> a = keras_ssl.weights.read_weights(model)
    >>> b = {name: array + 1 for name, array in a.items()}
    >>> merge_encoders(model, a, b)["block1_conv"].tolist()
    [0, 1, 2, 3]
    >>> float(keras_ssl.weights.read_weights(model)["block1_bn/beta"][0])
    0.5

    Reference: Ainsworth et al., "Git Re-Basin: merging models modulo permutation symmetries", ICLR 2023,
    https://arxiv.org/abs/2209.04836; for the statistics, Jordan et al., "REPAIR: renormalizing permuted activations for
    interpolation repair", ICLR 2023, https://arxiv.org/abs/2211.08403.
    """
    share = check_number("share", share, 0.0, 1.0)
    permutations = weight_matching(model, weights_a, weights_b, seed=seed)
    matched = permute_weights(model, weights_b, permutations)
    merged, before = combine_weights([weights_a, matched], [share, 1.0 - share]), read_weights(model)
    assign_weights(model, merged)
    if inputs is not None:
        try:
            recalibrate_batch_norm(model, inputs)
        except ValueError:
            assign_weights(model, before)
            raise
    return permutations
