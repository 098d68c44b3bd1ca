"""Self-supervised learning for Keras 3, and a zoo of pretrained encoders.

encoder = keras_ssl.encoders.ResNet(50)
model = keras_ssl.BarlowTwins(encoder)
model.compile(keras_ssl.optimizers.LARS(0.2))
model.fit(images, epochs=100)
keras_ssl.export(model, "saved_models/my_encoder")
features = keras_ssl.load("saved_models/my_encoder")(images)
"""

import keras_ssl.quiet_start  # noqa: F401  # before anything imports Keras

# isort: split

import importlib
import sys
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
from keras_ssl.registry import defer_serialization, list_methods, register
from keras_ssl.training import SSLModel

if TYPE_CHECKING:
    from keras_ssl import (
        adaptation,
        attacks,
        callbacks,
        checkpoints,
        evaluation,
        hub,
        interop,
        merging,
        testing,
        weights,
    )
    from keras_ssl.hub.catalogue import list_models
    from keras_ssl.hub.export import export
    from keras_ssl.hub.heads import load_heads
    from keras_ssl.hub.load import load, preprocessing
    from keras_ssl.hub.recipe import Recipe
    from keras_ssl.workflows import distill, embed, pretrain

__version__ = "0.1.0"

__all__ = [
    *objectives.__all__,
    "Recipe",
    "SSLModel",
    "adaptation",
    "attacks",
    "callbacks",
    "checkpoints",
    "data",
    "distill",
    "embed",
    "encoders",
    "evaluation",
    "export",
    "hub",
    "interop",
    "layers",
    "list_methods",
    "list_models",
    "load",
    "load_heads",
    "losses",
    "merging",
    "objectives",
    "optimizers",
    "preprocessing",
    "pretrain",
    "random",
    "register",
    "schedules",
    "testing",
    "training",
    "views",
    "weights",
]

defer_serialization()

# Imported when they are first asked for: a saved model and `fit` need none of them, and they take long.
_PARTS_WHEN_ASKED = (
    "adaptation",
    "attacks",
    "callbacks",
    "checkpoints",
    "evaluation",
    "hub",
    "interop",
    "merging",
    "testing",
    "weights",
)
_WORKFLOWS_WHEN_ASKED = ("distill", "embed", "pretrain")
_HUB_WHEN_ASKED = ("Recipe", "export", "list_models", "load", "load_heads", "preprocessing")


def __getattr__(name: str) -> Any:
    if name in objectives.__all__:
        return getattr(objectives, name)
    if name in _PARTS_WHEN_ASKED:
        return importlib.import_module(f"keras_ssl.{name}")
    if name in _HUB_WHEN_ASKED:
        return getattr(importlib.import_module("keras_ssl.hub"), name)
    if name in _WORKFLOWS_WHEN_ASKED:
        return getattr(importlib.import_module("keras_ssl.workflows"), name)
    # With the module, so that Python offers the closest of its names.
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "__doc__", "__file__", "__name__"})
