"""Schedules that Keras lacks."""

from keras_ssl.exports import lazy_exports
from keras_ssl.schedules.cosine_momentum import cosine_momentum
from keras_ssl.schedules.warmup_cosine import WarmupCosine

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = ["WarmupCosine", "cosine_momentum", *_more]
