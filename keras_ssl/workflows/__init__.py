"""What takes one line: pretrain on a folder, embed it, distill a published encoder into a model of one's own."""

from keras_ssl.exports import lazy_exports

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = [*_more]
