"""What features are worth: functions of features and labels, and classifiers on features, in NumPy."""

from keras_ssl.evaluation.alignment import alignment
from keras_ssl.evaluation.alpha_req import alpha_req
from keras_ssl.evaluation.cka import cka
from keras_ssl.evaluation.class_recall import balanced_accuracy, class_recall
from keras_ssl.evaluation.contour_accuracy import contour_accuracy
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.feature_std import feature_std
from keras_ssl.evaluation.few_shot import FewShotAccuracy, few_shot
from keras_ssl.evaluation.find_neighbors import find_neighbors
from keras_ssl.evaluation.finetune import FinetuneAccuracy, finetune
from keras_ssl.evaluation.intrinsic_dimension import intrinsic_dimension
from keras_ssl.evaluation.knn import knn_accuracy, knn_predict, knn_probabilities
from keras_ssl.evaluation.label_propagation import label_propagation
from keras_ssl.evaluation.lidar import lidar
from keras_ssl.evaluation.linear_probe import linear_predict, linear_probabilities, linear_probe
from keras_ssl.evaluation.linear_probe_grid import LinearProbeGrid, linear_probe_grid
from keras_ssl.evaluation.linear_probe_sgd import linear_probe_sgd
from keras_ssl.evaluation.mean_correlation import mean_correlation
from keras_ssl.evaluation.naive_bayes_probe import NaiveBayesProbe
from keras_ssl.evaluation.nearest_mean_classifier import NearestMeanClassifier
from keras_ssl.evaluation.nesum import nesum
from keras_ssl.evaluation.pair_similarities import pair_similarities
from keras_ssl.evaluation.rank_checkpoints import RankedCheckpoint, rank_checkpoints
from keras_ssl.evaluation.rankme import rankme
from keras_ssl.evaluation.recursive_ridge import RecursiveRidge
from keras_ssl.evaluation.region_similarity import region_similarity
from keras_ssl.evaluation.retrieval import retrieval
from keras_ssl.evaluation.save_features import save_features
from keras_ssl.evaluation.singular_value_entropy import singular_value_entropy
from keras_ssl.evaluation.stratified_subset import stratified_subset
from keras_ssl.evaluation.tolerance import tolerance
from keras_ssl.evaluation.transductive_few_shot import TransductiveFewShot
from keras_ssl.evaluation.two_nn import two_nn
from keras_ssl.evaluation.uniformity import uniformity
from keras_ssl.evaluation.video_segmentation import video_segmentation
from keras_ssl.evaluation.view_features import view_features
from keras_ssl.exports import lazy_exports

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = [
    "FewShotAccuracy",
    "FinetuneAccuracy",
    "LinearProbeGrid",
    "NaiveBayesProbe",
    "NearestMeanClassifier",
    "RankedCheckpoint",
    "RecursiveRidge",
    "TransductiveFewShot",
    "alignment",
    "alpha_req",
    "balanced_accuracy",
    "cka",
    "class_recall",
    "contour_accuracy",
    "extract_features",
    "feature_std",
    "few_shot",
    "find_neighbors",
    "finetune",
    "intrinsic_dimension",
    "knn_accuracy",
    "knn_predict",
    "knn_probabilities",
    "label_propagation",
    "lidar",
    "linear_predict",
    "linear_probabilities",
    "linear_probe",
    "linear_probe_grid",
    "linear_probe_sgd",
    "mean_correlation",
    "nesum",
    "pair_similarities",
    "rank_checkpoints",
    "rankme",
    "region_similarity",
    "retrieval",
    "save_features",
    "singular_value_entropy",
    "stratified_subset",
    "tolerance",
    "two_nn",
    "uniformity",
    "video_segmentation",
    "view_features",
    *_more,
]
