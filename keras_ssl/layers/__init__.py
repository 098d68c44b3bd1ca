"""Layers: heads, and everything that holds state."""

from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.running_covariance import RunningCovariance
from keras_ssl.layers.multi_head import MultiHead
from keras_ssl.layers.scattering_transform import ScatteringTransform2D

__all__ = [
    "BatchNormalization",
    "EMATeacher",
    "FeatureQueue",
    "ImagePreprocessing",
    "MLPHead",
    "RunningCovariance",
    "MultiHead",
    "ScatteringTransform2D",
]
