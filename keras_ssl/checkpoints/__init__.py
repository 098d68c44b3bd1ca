"""Reading the checkpoints of other projects, as NumPy arrays and without running their code."""

from keras_ssl.checkpoints.checkpoint_error import CheckpointError
from keras_ssl.checkpoints.read_checkpoint import read_checkpoint
from keras_ssl.checkpoints.read_safetensors import read_safetensors
from keras_ssl.checkpoints.read_tf_variables import read_tf_variables
from keras_ssl.checkpoints.read_torch import read_torch

__all__ = ["CheckpointError", "read_checkpoint", "read_safetensors", "read_tf_variables", "read_torch"]
