"""Encoders: models that map a batch of images to features `[N, D]`."""

from keras_ssl.encoders.conv_net import ConvNet
from keras_ssl.encoders.resnet import ResNet
from keras_ssl.encoders.scattering_net import ScatteringNet
from keras_ssl.encoders.vit import ViT

__all__ = ["ConvNet", "ResNet", "ScatteringNet", "ViT"]
