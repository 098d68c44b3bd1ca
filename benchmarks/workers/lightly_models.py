"""Barlow Twins and SimCLR of lightly's parts, around the encoders that ours are measured with."""

from lightly_imports import lightly
from torch import nn
from torch_encoders import Siamese


def barlow_twins(encoder: str, projector: list[int]) -> Siamese:
    """lightly's projector and loss.

    Args:
        encoder: as for `encoder_of`.
        projector: widths of its layers, hidden and last.
    """

    def head(width: int) -> nn.Module:
        if len(projector) > 2:
            return lightly.models.modules.BarlowTwinsProjectionHead(width, projector[0], projector[-1])
        # lightly's has three layers: leave one out
        hidden = (width, projector[0], nn.BatchNorm1d(projector[0]), nn.ReLU())
        return lightly.models.modules.heads.ProjectionHead([hidden, (projector[0], projector[1], None, None)])

    return Siamese(encoder, head, lightly.loss.BarlowTwinsLoss())


def simclr(encoder: str, projector: list[int], temperature: float) -> Siamese:
    """lightly's projector of two layers and its NT-Xent loss; arguments as above."""

    def head(width: int) -> nn.Module:
        return lightly.models.modules.SimCLRProjectionHead(width, *projector)

    return Siamese(encoder, head, lightly.loss.NTXentLoss(temperature))
