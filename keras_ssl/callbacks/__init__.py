"""What watches training: evaluation of the features, diagnosis, throughput, TensorBoard."""

from keras_ssl.callbacks.check_writable import check_writable
from keras_ssl.callbacks.collapse_doctor import CollapseDoctor
from keras_ssl.callbacks.online_knn import OnlineKNN
from keras_ssl.callbacks.online_linear_probe import OnlineLinearProbe
from keras_ssl.callbacks.online_rankme import OnlineRankMe
from keras_ssl.callbacks.tensorboard import TensorBoard
from keras_ssl.callbacks.throughput import Throughput
from keras_ssl.callbacks.training_warning import TrainingWarning

__all__ = [
    "CollapseDoctor",
    "OnlineKNN",
    "OnlineLinearProbe",
    "OnlineRankMe",
    "TensorBoard",
    "Throughput",
    "TrainingWarning",
    "check_writable",
]
