"""Encoders: models that map a batch of images to features `[N, D]`."""

from keras_ssl.encoders.conv_net import ConvNet
from keras_ssl.encoders.resnet import ResNet

__all__ = ["ConvNet", "ResNet"]
