"""Objectives: one file each, every one a `keras.Model` that pretrains an encoder."""

from keras_ssl.objectives.adaptive_multi_head_contrastive import AdaptiveMultiHeadContrastive
from keras_ssl.objectives.barlow_twins import BarlowTwins
from keras_ssl.objectives.byol import BYOL
from keras_ssl.objectives.dcl import DCL, DCLW
from keras_ssl.objectives.dino import DINO
from keras_ssl.objectives.direct_pred import DirectPred
from keras_ssl.objectives.groco import GroCo
from keras_ssl.objectives.hard_contrastive import HardContrastive
from keras_ssl.objectives.identity_seeking import IdentitySeeking
from keras_ssl.objectives.image_pair_contrastive import ImagePairContrastive
from keras_ssl.objectives.interclr import InterCLR
from keras_ssl.objectives.mixed_barlow_twins import MixedBarlowTwins
from keras_ssl.objectives.mmcr import MMCR
from keras_ssl.objectives.mochi import MoCHi
from keras_ssl.objectives.moco import MoCo
from keras_ssl.objectives.multi_view import MultiViewDHEL, MultiViewInfoNCE
from keras_ssl.objectives.nnclr import NNCLR
from keras_ssl.objectives.random_teacher import RandomTeacherDistillation
from keras_ssl.objectives.ressl import ReSSL
from keras_ssl.objectives.scat_sim_clr import ScatSimCLR
from keras_ssl.objectives.simclr import SimCLR
from keras_ssl.objectives.simsiam import SimSiam
from keras_ssl.objectives.sog_clr import ISogCLR, SogCLR
from keras_ssl.objectives.sup_con import SupCon
from keras_ssl.objectives.swav import SwAV
from keras_ssl.objectives.tico import TiCo
from keras_ssl.objectives.vicreg import VICReg
from keras_ssl.objectives.w_mse import WMSE

__all__ = [
    "AdaptiveMultiHeadContrastive",
    "BYOL",
    "BarlowTwins",
    "DCL",
    "DCLW",
    "DINO",
    "DirectPred",
    "GroCo",
    "HardContrastive",
    "ISogCLR",
    "IdentitySeeking",
    "ImagePairContrastive",
    "InterCLR",
    "MMCR",
    "MixedBarlowTwins",
    "MoCHi",
    "MoCo",
    "MultiViewDHEL",
    "MultiViewInfoNCE",
    "NNCLR",
    "RandomTeacherDistillation",
    "ReSSL",
    "ScatSimCLR",
    "SimCLR",
    "SimSiam",
    "SogCLR",
    "SupCon",
    "SwAV",
    "TiCo",
    "VICReg",
    "WMSE",
]
