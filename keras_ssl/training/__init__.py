"""Training: the base model of every objective, and one train step per backend."""

from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.ssl_model import SSLModel

__all__ = ["ExpectedLoss", "SSLModel"]
