"""Optimizers that Keras lacks."""

from keras_ssl.exports import lazy_exports
from keras_ssl.optimizers.lars import LARS

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = ["LARS", *_more]
