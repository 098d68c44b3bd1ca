"""What features are worth: functions of features and labels, in NumPy."""

from keras_ssl.evaluation.alignment import alignment
from keras_ssl.evaluation.alpha_req import alpha_req
from keras_ssl.evaluation.cka import cka
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.feature_std import feature_std
from keras_ssl.evaluation.intrinsic_dimension import intrinsic_dimension
from keras_ssl.evaluation.knn import knn_accuracy, knn_predict
from keras_ssl.evaluation.lidar import lidar
from keras_ssl.evaluation.linear_probe import linear_probe
from keras_ssl.evaluation.mean_correlation import mean_correlation
from keras_ssl.evaluation.nesum import nesum
from keras_ssl.evaluation.rankme import rankme
from keras_ssl.evaluation.singular_value_entropy import singular_value_entropy
from keras_ssl.evaluation.tolerance import tolerance
from keras_ssl.evaluation.two_nn import two_nn
from keras_ssl.evaluation.uniformity import uniformity

__all__ = [
    "alignment",
    "alpha_req",
    "cka",
    "extract_features",
    "feature_std",
    "intrinsic_dimension",
    "knn_accuracy",
    "knn_predict",
    "lidar",
    "linear_probe",
    "mean_correlation",
    "nesum",
    "rankme",
    "singular_value_entropy",
    "tolerance",
    "two_nn",
    "uniformity",
]
