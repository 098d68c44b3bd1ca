"""Models made of others: merged, matched, grown, side by side."""

from keras_ssl.exports import lazy_exports

__getattr__, __all__ = lazy_exports(__name__, __file__)
