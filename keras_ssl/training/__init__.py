"""Training: the base model of every objective, and the sequence of a step, the same on each backend."""

from keras_ssl.training.combined import Combined
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.encoder_rates import encoder_rates
from keras_ssl.training.engine import Outcome
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import LabelledModel
from keras_ssl.training.makers import Makers
from keras_ssl.training.multi_task_sam import MultiTaskSAM
from keras_ssl.training.sam import SAM, sam_value_and_gradients
from keras_ssl.training.self_tuning_network import SelfTuningNetwork
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term

__all__ = [
    "SAM",
    "Combined",
    "DataScale",
    "ExpectedLoss",
    "Field",
    "LabelledModel",
    "Makers",
    "MultiTaskSAM",
    "Outcome",
    "SSLModel",
    "SelfTuningNetwork",
    "Step",
    "Term",
    "encoder_rates",
    "sam_value_and_gradients",
]
