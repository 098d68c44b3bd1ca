"""Data sources: the embedded digits, arrays, image folders, TFRecords."""

from keras_ssl.data.colored_digits import colored_digits
from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.data.from_folder import from_folder
from keras_ssl.data.from_streams import from_streams
from keras_ssl.data.from_tfrecords import from_tfrecords
from keras_ssl.data.identity_pairs import identity_pairs
from keras_ssl.data.image_source import DamagedImagesError
from keras_ssl.data.load_folder import load_folder
from keras_ssl.data.write_tfrecords import write_tfrecords
from keras_ssl.exports import lazy_exports

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = [
    "DamagedImagesError",
    "colored_digits",
    "from_arrays",
    "from_streams",
    "from_folder",
    "from_tfrecords",
    "identity_pairs",
    "load_folder",
    "write_tfrecords",
    *_more,
]
