"""Reading the checkpoints of other projects, as NumPy arrays and without running their code."""

from keras_ssl.checkpoints.adapted_kernel import adapted_kernel
from keras_ssl.checkpoints.big_vision import from_big_vision
from keras_ssl.checkpoints.checkpoint_error import CheckpointError
from keras_ssl.checkpoints.conv_next_table import conv_next_table
from keras_ssl.checkpoints.map_weights import map_weights
from keras_ssl.checkpoints.projector_table import projector_table
from keras_ssl.checkpoints.read_checkpoint import read_checkpoint
from keras_ssl.checkpoints.read_npz import read_npz
from keras_ssl.checkpoints.read_safetensors import read_safetensors
from keras_ssl.checkpoints.read_tf_variables import read_tf_variables
from keras_ssl.checkpoints.read_torch import read_torch
from keras_ssl.checkpoints.resnet_table import resnet_table
from keras_ssl.checkpoints.rotary_vit_table import rotary_vit_table
from keras_ssl.checkpoints.run_layout import RunLayout
from keras_ssl.checkpoints.simclr_table import simclr_table
from keras_ssl.checkpoints.state_dict import state_dict
from keras_ssl.checkpoints.swin_table import swin_table
from keras_ssl.checkpoints.vit_table import vit_table
from keras_ssl.checkpoints.weight_table import MappedWeight, WeightTable

__all__ = [
    "CheckpointError",
    "MappedWeight",
    "RunLayout",
    "WeightTable",
    "adapted_kernel",
    "conv_next_table",
    "from_big_vision",
    "map_weights",
    "projector_table",
    "read_checkpoint",
    "read_npz",
    "read_safetensors",
    "read_tf_variables",
    "read_torch",
    "resnet_table",
    "rotary_vit_table",
    "simclr_table",
    "state_dict",
    "swin_table",
    "vit_table",
]
