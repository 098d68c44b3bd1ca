"""Encoders: models that map a batch of images, or the columns of a table, to features `[N, D]`."""

from keras_ssl.encoders.channel_group_vit import ChannelGroupViT
from keras_ssl.encoders.conv_net import ConvNet
from keras_ssl.encoders.conv_next import ConvNeXt
from keras_ssl.encoders.multi_exit_encoder import MultiExitEncoder
from keras_ssl.encoders.resnet import ResNet
from keras_ssl.encoders.rotary_vit import RotaryViT
from keras_ssl.encoders.scattering_net import ScatteringNet
from keras_ssl.encoders.swin import Swin
from keras_ssl.encoders.table_columns import columns_of
from keras_ssl.encoders.tabular_transformer import TabularTransformer
from keras_ssl.encoders.vit import ViT

__all__ = [
    "ChannelGroupViT",
    "ConvNeXt",
    "ConvNet",
    "MultiExitEncoder",
    "ResNet",
    "RotaryViT",
    "ScatteringNet",
    "Swin",
    "TabularTransformer",
    "ViT",
    "columns_of",
]
