"""The encoders that ours are measured with, in PyTorch."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch_imports import torch


def encoder_of(name: str) -> tuple[nn.Module, int]:
    """An encoder and the width of its features; "resnet18" (torchvision's, for small images) or "conv_net"."""
    return {"resnet18": resnet18, "conv_net": conv_net}[name]()


def resnet18() -> tuple[nn.Module, int]:
    from torchvision.models import resnet18 as build

    network = build()
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    return network, 512


def conv_net() -> tuple[nn.Module, int]:
    layers: list[nn.Module] = []
    before = 3
    for number, width in enumerate((16, 32, 64, 128)):
        if number:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        convolution = nn.Conv2d(before, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")  # as ours, and all ResNets'
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before


def perceptron(width: int, widths: list[int], bias: bool) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them, the usual projector; `bias` is of the linear layers."""
    layers: list[nn.Module] = []
    for after in widths[:-1]:
        layers += [nn.Linear(width, after, bias=bias), nn.BatchNorm1d(after), nn.ReLU(inplace=True)]
        width = after
    return nn.Sequential(*layers, nn.Linear(width, widths[-1], bias=bias))


class Siamese(nn.Module):
    """An encoder and a projector on two views, and a loss of what they give.

    Args:
        encoder: as for `encoder_of`.
        projector: of the encoder's width, makes the projector.
        criterion: the loss of both projections.
    """

    def __init__(self, encoder: str, projector: Callable[[int], nn.Module], criterion: Callable[..., Any]) -> None:
        super().__init__()
        self.encoder, width = encoder_of(encoder)
        self.projector = projector(width)
        self.criterion = criterion

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return self.criterion(self.projector(self.encoder(first)), self.projector(self.encoder(second)))
