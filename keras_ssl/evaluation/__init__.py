"""What features are worth: functions of features and labels, in NumPy."""

from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.feature_std import feature_std
from keras_ssl.evaluation.knn import knn_accuracy, knn_predict
from keras_ssl.evaluation.linear_probe import linear_probe
from keras_ssl.evaluation.rankme import rankme

__all__ = ["extract_features", "feature_std", "knn_accuracy", "knn_predict", "linear_probe", "rankme"]
