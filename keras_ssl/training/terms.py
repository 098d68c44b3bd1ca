"""Losses that are means over samples, exact on any number of replicas without a gather."""

from collections.abc import Mapping
from typing import NamedTuple

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor


class Term(NamedTuple):
    """A part of the loss with a value for each sample: `coefficient * sum(weights * values) / sum(weights)`.

    Both sums are over the global batch. Where all weights are 0 the term is 0.

    Attributes:
        values: `[n]`, of the local batch.
        weights: `[n]`, not negative; no gradient flows through them. None (default) is 1 for each sample.
        coefficient: the term's factor in the loss, a number or a scalar tensor. Defaults to 1; 0 logs the mean only.
    """

    values: Tensor
    weights: Tensor | None = None
    coefficient: Tensor | float = 1.0


def as_terms(terms: Mapping[str, Tensor | tuple[Tensor, ...]]) -> dict[str, Term]:
    """What `sample_terms` returns, as `Term`s of float32 tensors `[n]`; bare tensors and tuples are taken too.

    Raises:
        ValueError: if values or weights are not of rank 1, or of different length.
    """
    made = {}
    for name, given in terms.items():
        term = given if isinstance(given, Term) else Term(*given) if isinstance(given, tuple | list) else Term(given)
        values = as_float(term.values)
        weights = keras.ops.ones_like(values) if term.weights is None else as_float(term.weights)
        if len(values.shape) != 1 or len(weights.shape) != 1:
            raise ValueError(
                "A term must have one value and one weight for each sample, [n]. "
                f"Received: {name} with values.shape={tuple(values.shape)}, weights.shape={tuple(weights.shape)}"
            )
        made[name] = Term(values, keras.ops.stop_gradient(weights), term.coefficient)
    return made


def local_sums(terms: Mapping[str, Term]) -> list[Tensor]:
    """What replicas add up: for each term the weighted sum of the values, and the sum of the weights."""
    sums = []
    for term in terms.values():
        # A sample of weight 0 does not count, even where its value is NaN: nothing says what it is.
        counted = keras.ops.where(keras.ops.greater(term.weights, 0), term.values, keras.ops.zeros_like(term.values))
        sums += [keras.ops.sum(term.weights * counted), keras.ops.sum(term.weights)]
    return sums
