"""Self-supervised learning for Keras 3, and a zoo of pretrained encoders.

encoder = keras_ssl.encoders.ResNet(50)
model = keras_ssl.BarlowTwins(encoder)
model.compile(keras_ssl.optimizers.LARS(0.2))
model.fit(images, epochs=100)
keras_ssl.export(model, "saved_models/my_encoder")
features = keras_ssl.load("saved_models/my_encoder")(images)
"""

from keras_ssl import (
    callbacks,
    data,
    encoders,
    evaluation,
    layers,
    losses,
    objectives,
    optimizers,
    random,
    schedules,
    training,
    views,
)
from keras_ssl.hub import Recipe, export, list_models, load, preprocessing
from keras_ssl.hub import load_heads
from keras_ssl.objectives import BYOL, BarlowTwins, MoCo, SimCLR
from keras_ssl.objectives import DINO
from keras_ssl.objectives import GroCo
from keras_ssl.objectives import InterCLR
from keras_ssl.objectives import SwAV
from keras_ssl.objectives import (
    BYOL,
    DCL,
    DCLW,
    DINO,
    MMCR,
    NNCLR,
    WMSE,
    AdaptiveMultiHeadContrastive,
    BarlowTwins,
    DirectPred,
    GroCo,
    HardContrastive,
    ImagePairContrastive,
    InterCLR,
    ISogCLR,
    MixedBarlowTwins,
    MoCHi,
    MoCo,
    MultiViewDHEL,
    MultiViewInfoNCE,
    ReSSL,
    ScatSimCLR,
    SimCLR,
    SimSiam,
    SogCLR,
    SupCon,
    SwAV,
    TiCo,
    VICReg,
)
from keras_ssl.training import SSLModel

__version__ = "0.1.0"

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
    "ImagePairContrastive",
    "InterCLR",
    "MMCR",
    "MixedBarlowTwins",
    "MoCHi",
    "MoCo",
    "MultiViewDHEL",
    "MultiViewInfoNCE",
    "NNCLR",
    "ReSSL",
    "Recipe",
    "SSLModel",
    "ScatSimCLR",
    "SimCLR",
    "SimSiam",
    "SogCLR",
    "SupCon",
    "SwAV",
    "TiCo",
    "VICReg",
    "WMSE",
    "callbacks",
    "data",
    "encoders",
    "evaluation",
    "export",
    "layers",
    "list_models",
    "load",
    "load_heads",
    "losses",
    "objectives",
    "optimizers",
    "preprocessing",
    "random",
    "schedules",
    "training",
    "views",
]
