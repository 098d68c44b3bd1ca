"""Functions on the weights of models, by structural names."""

from keras_ssl.exports import lazy_exports

__getattr__, __all__ = lazy_exports(__name__, __file__)
