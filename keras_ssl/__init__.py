"""Self-supervised learning for Keras 3, and a zoo of pretrained encoders.

encoder = keras_ssl.encoders.ResNet(50)
model = keras_ssl.BarlowTwins(encoder)
model.compile(keras_ssl.optimizers.LARS(0.2))
model.fit(images, epochs=100)
keras_ssl.export(model, "saved_models/my_encoder")
features = keras_ssl.load("saved_models/my_encoder")(images)
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_ssl import (
    data,
    encoders,
    layers,
    losses,
    objectives,
    optimizers,
    random,
    schedules,
    training,
    views,
)
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
    IdentitySeeking,
    ImagePairContrastive,
    InterCLR,
    ISogCLR,
    MixedBarlowTwins,
    MoCHi,
    MoCo,
    MultiViewDHEL,
    MultiViewInfoNCE,
    RandomTeacherDistillation,
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

if TYPE_CHECKING:
    from keras_ssl import callbacks, checkpoints, evaluation, hub
    from keras_ssl.hub.catalogue import list_models
    from keras_ssl.hub.export import export
    from keras_ssl.hub.heads import load_heads
    from keras_ssl.hub.load import load, preprocessing
    from keras_ssl.hub.recipe import Recipe

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
    "checkpoints",
    "data",
    "encoders",
    "evaluation",
    "export",
    "hub",
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

# Imported when they are first asked for: a saved model and `fit` need none of them, and they take long.
_PARTS_WHEN_ASKED = ("callbacks", "checkpoints", "evaluation", "hub")
_HUB_WHEN_ASKED = ("Recipe", "export", "list_models", "load", "load_heads", "preprocessing")


def __getattr__(name: str) -> Any:
    if name in _PARTS_WHEN_ASKED:
        return importlib.import_module(f"keras_ssl.{name}")
    if name in _HUB_WHEN_ASKED:
        return getattr(importlib.import_module("keras_ssl.hub"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PARTS_WHEN_ASKED, *_HUB_WHEN_ASKED})
