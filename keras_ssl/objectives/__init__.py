"""Objectives: one file each, every one a `keras.Model` that pretrains an encoder."""

from keras_ssl.objectives.barlow_twins import BarlowTwins
from keras_ssl.objectives.byol import BYOL
from keras_ssl.objectives.dcl import DCL, DCLW
from keras_ssl.objectives.hard_contrastive import HardContrastive
from keras_ssl.objectives.image_pair_contrastive import ImagePairContrastive
from keras_ssl.objectives.moco import MoCo
from keras_ssl.objectives.multi_view import MultiViewDHEL, MultiViewInfoNCE
from keras_ssl.objectives.simclr import SimCLR
from keras_ssl.objectives.sog_clr import ISogCLR, SogCLR
from keras_ssl.objectives.sup_con import SupCon

__all__ = [
    "BYOL",
    "BarlowTwins",
    "DCL",
    "DCLW",
    "HardContrastive",
    "ISogCLR",
    "ImagePairContrastive",
    "MoCo",
    "MultiViewDHEL",
    "MultiViewInfoNCE",
    "SimCLR",
    "SogCLR",
    "SupCon",
]
