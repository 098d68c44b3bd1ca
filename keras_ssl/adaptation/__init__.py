"""Adaptation of a trained classifier to the inputs that it meets in use."""

from keras_ssl.adaptation.adapter import Adapter
from keras_ssl.adaptation.tent import Tent
from keras_ssl.exports import lazy_exports

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = ["Adapter", "Tent", *_more]
