"""Objectives: one file each, every one a `keras.Model` that pretrains an encoder."""

from keras_ssl.objectives.barlow_twins import BarlowTwins
from keras_ssl.objectives.byol import BYOL
from keras_ssl.objectives.moco import MoCo
from keras_ssl.objectives.simclr import SimCLR
from keras_ssl.objectives.vicreg import VICReg
from keras_ssl.objectives.mixed_barlow_twins import MixedBarlowTwins
from keras_ssl.objectives.tico import TiCo
from keras_ssl.objectives.w_mse import WMSE
from keras_ssl.objectives.mmcr import MMCR
from keras_ssl.objectives.adaptive_multi_head_contrastive import AdaptiveMultiHeadContrastive
from keras_ssl.objectives.scat_sim_clr import ScatSimCLR

__all__ = [
    "BYOL",
    "BarlowTwins",
    "MoCo",
    "SimCLR",
    "VICReg",
    "MixedBarlowTwins",
    "TiCo",
    "WMSE",
    "MMCR",
    "AdaptiveMultiHeadContrastive",
    "ScatSimCLR",
]
