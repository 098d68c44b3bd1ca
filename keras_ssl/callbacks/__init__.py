"""What watches training: evaluation of the features, diagnosis, throughput, TensorBoard, checkpoints."""

from keras_ssl.callbacks.check_writable import check_writable
from keras_ssl.callbacks.checkpoint import Checkpoint
from keras_ssl.callbacks.collapse_doctor import CollapseDoctor
from keras_ssl.callbacks.online_knn import OnlineKNN
from keras_ssl.callbacks.online_linear_probe import OnlineLinearProbe
from keras_ssl.callbacks.online_rankme import OnlineRankMe
from keras_ssl.callbacks.restore_checkpoint import restore_checkpoint
from keras_ssl.callbacks.resume_error import ResumeError
from keras_ssl.callbacks.stop_on_nan import StopOnNaN
from keras_ssl.callbacks.tensorboard import TensorBoard
from keras_ssl.callbacks.throughput import Throughput
from keras_ssl.callbacks.training_warning import TrainingWarning
from keras_ssl.exports import lazy_exports

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = [
    "Checkpoint",
    "CollapseDoctor",
    "OnlineKNN",
    "OnlineLinearProbe",
    "OnlineRankMe",
    "ResumeError",
    "StopOnNaN",
    "TensorBoard",
    "Throughput",
    "TrainingWarning",
    "check_writable",
    "restore_checkpoint",
    *_more,
]
