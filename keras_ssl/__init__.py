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
from keras_ssl.objectives import (
    BYOL,
    DINO,
    MMCR,
    NNCLR,
    WMSE,
    BarlowTwins,
    DirectPred,
    GroCo,
    MixedBarlowTwins,
    MoCHi,
    MoCo,
    ReSSL,
    SimCLR,
    SimSiam,
    SwAV,
    TiCo,
    VICReg,
)
from keras_ssl.objectives import BYOL, BarlowTwins, MoCo, SimCLR
from keras_ssl.objectives import DCL
from keras_ssl.objectives import DCLW
from keras_ssl.objectives import HardContrastive
from keras_ssl.objectives import SupCon
from keras_ssl.objectives import SogCLR
from keras_ssl.objectives import ISogCLR
from keras_ssl.objectives import MultiViewInfoNCE
from keras_ssl.objectives import MultiViewDHEL
from keras_ssl.objectives import ImagePairContrastive
from keras_ssl.training import SSLModel

__version__ = "0.1.0"

__all__ = [
    "BYOL",
    "BarlowTwins",
    "DINO",
    "DirectPred",
    "GroCo",
    "MMCR",
    "MixedBarlowTwins",
    "MoCHi",
    "MoCo",
    "NNCLR",
    "ReSSL",
    "Recipe",
    "SSLModel",
    "SimCLR",
    "SimSiam",
    "SwAV",
    "TiCo",
    "VICReg",
    "WMSE",
    "DCL",
    "DCLW",
    "HardContrastive",
    "ISogCLR",
    "ImagePairContrastive",
    "MoCo",
    "MultiViewDHEL",
    "MultiViewInfoNCE",
    "Recipe",
    "SSLModel",
    "SimCLR",
    "SogCLR",
    "SupCon",
    "callbacks",
    "data",
    "encoders",
    "evaluation",
    "export",
    "layers",
    "list_models",
    "load",
    "losses",
    "objectives",
    "optimizers",
    "preprocessing",
    "random",
    "schedules",
    "training",
    "views",
]
