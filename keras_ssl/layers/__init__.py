"""Layers: heads, and everything that holds state."""

from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.layers.centering import Centering
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.memory_bank import MemoryBank
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.online_clusters import OnlineClusters
from keras_ssl.layers.prototypes import Prototypes

__all__ = [
    "BatchNormalization",
    "Centering",
    "EMATeacher",
    "FeatureQueue",
    "ImagePreprocessing",
    "MLPHead",
    "MemoryBank",
    "OnlineClusters",
    "Prototypes",
]
