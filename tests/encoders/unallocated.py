"""Counting the weights of networks that are too large to make in a test."""

import math

import keras


def trainable_parameters(make, **arguments):
    """How many numbers the trainable weights of `make(**arguments)` hold, none of which is allocated."""
    with keras.StatelessScope(initialize_variables=False):
        count = sum(math.prod(weight.shape) for weight in make(**arguments).trainable_weights)
    keras.utils.clear_session()  # or the next scope would initialize them
    return count
