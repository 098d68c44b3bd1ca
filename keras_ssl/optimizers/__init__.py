"""Optimizers that Keras lacks."""

from keras_ssl.optimizers.lars import LARS

__all__ = ["LARS"]
