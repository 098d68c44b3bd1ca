"""Layers: heads, and everything that holds state."""

from keras_ssl.exports import lazy_exports
from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.layers.centering import Centering
from keras_ssl.layers.drop_path import DropPath
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.layer_scale import LayerScale
from keras_ssl.layers.logit_scale import LogitScale
from keras_ssl.layers.memory_bank import MemoryBank
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.multi_head import MultiHead
from keras_ssl.layers.nan_guard import NaNGuard
from keras_ssl.layers.online_clusters import OnlineClusters
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.layers.running_covariance import RunningCovariance
from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.layers.scattering_transform import ScatteringTransform2D
from keras_ssl.layers.self_attention import SelfAttention
from keras_ssl.layers.state_layer import Plan, StateLayer
from keras_ssl.layers.swiglu import SwiGLU
from keras_ssl.layers.symmetric_predictor import SymmetricPredictor
from keras_ssl.layers.uniform_draws import UniformDraws

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = [
    "BatchNormalization",
    "Centering",
    "DropPath",
    "EMATeacher",
    "FeatureQueue",
    "ImagePreprocessing",
    "LayerScale",
    "LogitScale",
    "MLPHead",
    "MemoryBank",
    "MultiHead",
    "NaNGuard",
    "OnlineClusters",
    "Plan",
    "Prototypes",
    "RunningCovariance",
    "SampleTable",
    "ScatteringTransform2D",
    "SelfAttention",
    "StateLayer",
    "SwiGLU",
    "SymmetricPredictor",
    "UniformDraws",
    *_more,
]
