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
from keras_ssl.objectives import BYOL, BarlowTwins, MoCo, SimCLR
from keras_ssl.objectives import NNCLR
from keras_ssl.objectives import MoCHi
from keras_ssl.objectives import DirectPred
from keras_ssl.objectives import IdentitySeeking
from keras_ssl.objectives import RandomTeacherDistillation
from keras_ssl.objectives import ReSSL
from keras_ssl.objectives import SimSiam
from keras_ssl.training import SSLModel

__version__ = "0.1.0"

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
    "Recipe",
    "SSLModel",
    "SimCLR",
    "SimSiam",
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
