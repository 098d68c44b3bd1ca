"""The learning rate of a larger batch."""

import math

from keras_ssl.losses.numeric import check_integer, check_positive

__all__ = ["square_root_scaling"]


def square_root_scaling(learning_rate: float, batch_size: int, reference_batch_size: int = 128) -> float:
    """`learning_rate * sqrt(batch_size / reference_batch_size)`: the noise of the steps stays the same.

    The covariance of a step of SGD is the rate squared, divided by the size of the batch. (Scaling in proportion,
    `rate * batch_size / reference`, is the other usual rule: it keeps the mean way for each sample.)

    Args:
        learning_rate: what suits the reference, positive.
        batch_size: of the run, a positive integer.
        reference_batch_size: a positive integer. Defaults to 128, the paper's.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> square_root_scaling(0.1, batch_size=2048)
    0.4

    Reference: Hoffer, Hubara and Soudry, "Train longer, generalize better: closing the generalization gap in large
    batch training of neural networks", NeurIPS 2017.
    """
    check_positive("learning_rate", learning_rate)
    if learning_rate == math.inf:
        raise ValueError(f"`learning_rate` must be finite. Received: learning_rate={learning_rate}")
    batch_size = check_integer("batch_size", batch_size, 1)
    reference = check_integer("reference_batch_size", reference_batch_size, 1)
    return learning_rate * math.sqrt(batch_size / reference)
