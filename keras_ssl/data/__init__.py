"""Data sources: the embedded digits, arrays, image folders, TFRecords."""

from keras_ssl.data.coloured_digits import coloured_digits
from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.data.from_folder import from_folder
from keras_ssl.data.from_tfrecords import from_tfrecords
from keras_ssl.data.identity_pairs import identity_pairs
from keras_ssl.data.load_folder import load_folder
from keras_ssl.data.write_tfrecords import write_tfrecords

__all__ = [
    "coloured_digits",
    "from_arrays",
    "from_folder",
    "from_tfrecords",
    "identity_pairs",
    "load_folder",
    "write_tfrecords",
]
