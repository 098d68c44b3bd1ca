"""Schedules that Keras lacks."""

from keras_ssl.schedules.cosine_momentum import cosine_momentum
from keras_ssl.schedules.warmup_cosine import WarmupCosine

__all__ = ["WarmupCosine", "cosine_momentum"]
