"""Attacks on encoders, and training with certified bounds."""

from keras_ssl.exports import lazy_exports

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = [*_more]
