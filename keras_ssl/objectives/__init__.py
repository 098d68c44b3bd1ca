"""Objectives: one file each, every one a `keras.Model` that pretrains an encoder."""

from keras_ssl.objectives.barlow_twins import BarlowTwins
from keras_ssl.objectives.byol import BYOL
from keras_ssl.objectives.direct_pred import DirectPred
from keras_ssl.objectives.identity_seeking import IdentitySeeking
from keras_ssl.objectives.mochi import MoCHi
from keras_ssl.objectives.moco import MoCo
from keras_ssl.objectives.nnclr import NNCLR
from keras_ssl.objectives.random_teacher import RandomTeacherDistillation
from keras_ssl.objectives.ressl import ReSSL
from keras_ssl.objectives.simclr import SimCLR
from keras_ssl.objectives.simsiam import SimSiam

__all__ = [
    "BYOL",
    "NNCLR",
    "BarlowTwins",
    "DirectPred",
    "IdentitySeeking",
    "MoCHi",
    "MoCo",
    "RandomTeacherDistillation",
    "ReSSL",
    "SimCLR",
    "SimSiam",
]
