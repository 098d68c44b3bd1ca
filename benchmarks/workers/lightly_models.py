"""Barlow Twins of lightly's parts, around the encoders that ours are measured with."""

from lightly_imports import lightly, torch
from torch import nn


class BarlowTwins(nn.Module):
    """Encoder and lightly's projector, with its loss.

    Args:
        encoder: "resnet18" (torchvision's, with the stem for small images) or "conv_net".
        projector: widths of its layers, hidden and last.
    """

    def __init__(self, encoder: str, projector: list[int]) -> None:
        super().__init__()
        self.encoder, width = {"resnet18": resnet18, "conv_net": conv_net}[encoder]()
        self.projector = lightly.models.modules.BarlowTwinsProjectionHead(width, projector[0], projector[-1])
        if len(projector) == 2:  # lightly's has three layers: leave one out
            layers = lightly.models.modules.heads.ProjectionHead(
                [
                    (width, projector[0], nn.BatchNorm1d(projector[0]), nn.ReLU()),
                    (projector[0], projector[1], None, None),
                ]
            )
            self.projector = layers
        self.criterion = lightly.loss.BarlowTwinsLoss()

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return self.criterion(self.projector(self.encoder(first)), self.projector(self.encoder(second)))


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
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before
