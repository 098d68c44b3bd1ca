"""Objectives: one file each, every one a `keras.Model` that pretrains an encoder."""

from keras_ssl.objectives.barlow_twins import BarlowTwins
from keras_ssl.objectives.byol import BYOL
from keras_ssl.objectives.dino import DINO
from keras_ssl.objectives.groco import GroCo
from keras_ssl.objectives.interclr import InterCLR
from keras_ssl.objectives.moco import MoCo
from keras_ssl.objectives.simclr import SimCLR
from keras_ssl.objectives.swav import SwAV

__all__ = [
    "BYOL",
    "DINO",
    "BarlowTwins",
    "GroCo",
    "InterCLR",
    "MoCo",
    "SimCLR",
    "SwAV",
]
